"""Secrets for a job: from the environment, standard input, a key's file or a question; never from an argument."""

import argparse
import getpass
import os
import sys
from collections.abc import Mapping

from hub.settings import SettingsError

WANTED = frozenset({"credentials_wanted", "credentials_wrong"})
"""Failures that better credentials may mend."""


def hub_token(options: argparse.Namespace) -> str | None:
    """What is shown to the hub itself; None: whatever HUB_TOKEN has. Raises SettingsError."""
    path = getattr(options, "token_file", None) or os.environ.get("HUB_TOKEN_FILE") or None
    if path is None:
        return None
    token = _file(path, "--token-file").strip()
    if not token:
        raise SettingsError(f"--token-file: {path} is empty")
    return token


def given(options: argparse.Namespace) -> dict[str, str]:
    """As a job's parameters; empty when none were given. Raises SettingsError."""
    secret = _secret(options)
    if options.ssh_key:
        key = {"ssh_key": _file(options.ssh_key, "--ssh-key")}
        return key | ({"ssh_passphrase": secret} if secret else {})
    if options.username:
        return {"username": options.username} | ({"password": secret} if secret else {})
    return {"token": secret} if secret else {}


def asked() -> Mapping[str, str]:
    """Asks the person at the terminal; empty when they would rather not."""
    sys.stderr.write("The repository wants credentials. Leave the user name empty to give a token.\n")
    try:
        sys.stderr.write("User name: ")
        sys.stderr.flush()
        username = sys.stdin.readline().strip()
        secret = getpass.getpass("Password: " if username else "Token: ")
    except EOFError:
        return {}
    if not secret:
        return {}
    return {"username": username, "password": secret} if username else {"token": secret}


def can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _secret(options: argparse.Namespace) -> str:
    if options.token_env:
        secret = os.environ.get(options.token_env, "")
        if not secret:
            raise SettingsError(f"--token-env: the environment variable {options.token_env} is not set")
        return secret
    if options.token_stdin:
        secret = sys.stdin.readline().rstrip("\r\n")
        if not secret:
            raise SettingsError("--token-stdin: standard input was empty")
        return secret
    return ""


def _file(path: "str | os.PathLike[str]", option: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:  # noqa: PTH111, PTH123
            return file.read()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{option}: {exc}") from exc
