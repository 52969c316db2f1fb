"""The world in which the git command runs: none of the machine's, the operator's or the repository's settings.

All settings, the secret ones too, are in one memory file that git reads as its "global" configuration. It has no name
on any disk, so nothing is left behind by whatever end; and git's arguments and environment only name its number.
"""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from hub.jobs.gate import RemoteUrl
from hub.jobs.git import known_hosts
from hub.jobs.git.base import Source

LOCAL_SETTINGS = {
    # Nothing that a repository or a server sends may start a program,
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "init.templateDir": "",
    # nor make git connect anywhere else,
    "protocol.allow": "never",
    "http.followRedirects": "false",
    "http.proxy": "",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "transfer.bundleURI": "false",
    "transfer.credentialsInUrl": "die",
    # nor write outside the working tree: git refuses `.git` in trees in every spelling that some file system takes
    # for it, and never writes through a symlink it finds on the way to a file (`has_dirs_only_path`).
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    # One pack, and no background work that outlives the job.
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1",  # bytes a second, for `http.lowSpeedTime`
    "advice.detachedHead": "false",
    "init.defaultBranch": "main",
    "protocol.version": "2",
}


class MemoryFile:
    """A file without a name; other processes of this user can open it by `path` for as long as it is not closed."""

    def __init__(self, name: str, content: str, mode: int = 0o600) -> None:
        self._fd = os.memfd_create(name)  # closed on exec: children open it anew by its path
        os.write(self._fd, content.encode())
        os.fchmod(self._fd, mode)  # ssh refuses a key that others may read
        self.path = f"/proc/{os.getpid()}/fd/{self._fd}"

    def close(self) -> None:
        os.close(self._fd)


@contextlib.contextmanager
def environment(source: Source | None, folder: Path) -> Iterator[dict[str, str]]:
    """The environment for git commands that may talk to `source` (None: to nobody), valid while the context lasts.

    `folder` is for what a program must find by a real name; nothing secret is written there.
    """
    with contextlib.ExitStack() as stack:
        config = MemoryFile("git-config", config_text(settings(source)))
        stack.callback(config.close)
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LC_ALL": "C",  # the words that `failures` knows are English
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": config.path,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": source.remote.scheme if source else "none",
            "GIT_PROGRESS_DELAY": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }
        if "SSL_CERT_FILE" in os.environ:  # what Python and libgit2 trust, git shall trust
            env["GIT_SSL_CAINFO"] = os.environ["SSL_CERT_FILE"]
        if source and source.remote.scheme == "git":
            env["GIT_OVERRIDE_VIRTUAL_HOST"] = source.remote.authority  # the URL names the checked address instead
        if source and source.remote.scheme == "ssh":
            env |= stack.enter_context(_ssh(source, folder))
        yield env


def settings(source: Source | None) -> dict[str, str]:
    """The settings of git for talking to `source`, by their dotted names."""
    return {**LOCAL_SETTINGS, **(_remote_settings(source) if source else {})}


def _remote_settings(source: Source) -> dict[str, str]:
    remote = source.remote
    found = {
        f"protocol.{remote.scheme}.allow": "always",
        "http.lowSpeedTime": str(max(1, round(source.rules.silence_timeout_s))),
    }
    if remote.is_http and source.address and source.address != remote.host:
        address = f"[{source.address}]" if ":" in source.address else source.address
        found["http.curloptResolve"] = f"{remote.host}:{remote.effective_port}:{address}"
    authorization = source.credentials.basic() if remote.is_http else None
    if authorization:
        found[f"http.{remote.scheme}://{remote.authority}/.extraHeader"] = f"Authorization: {authorization}"
    return found


def config_text(values: dict[str, str]) -> str:
    """The format of git's configuration files for the dotted names."""
    lines = []
    for name, value in values.items():
        section, _, rest = name.partition(".")
        middle, _, key = rest.rpartition(".")
        header = f'[{section} "{_escaped(middle)}"]' if middle else f"[{section}]"
        lines.append(f'{header}\n\t{key} = "{_escaped(value)}"\n')
    return "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@contextlib.contextmanager
def _ssh(source: Source, folder: Path) -> Iterator[dict[str, str]]:
    """The ssh command for git. The key is read from a memory file, the passphrase by a script from another."""
    with contextlib.ExitStack() as stack:
        options = ssh_options(source.remote, source.address, source.rules.connect_timeout_s)
        env = {"GIT_SSH_VARIANT": "ssh"}
        credentials = source.credentials
        if credentials.ssh_key is not None:
            key = MemoryFile("ssh-key", credentials.ssh_key.strip().replace("\r\n", "\n") + "\n")
            stack.callback(key.close)
            options["IdentityFile"] = key.path
        if credentials.ssh_passphrase:
            passphrase = MemoryFile("ssh-passphrase", credentials.ssh_passphrase + "\n")
            stack.callback(passphrase.close)
            script = folder / "ssh-askpass"
            script.write_text(f"#!{sys.executable} -I\nprint(open({passphrase.path!r}).read(), end='')\n")
            script.chmod(0o700)
            stack.callback(script.unlink, missing_ok=True)
            env |= {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"}
            del options["BatchMode"]  # it would forbid the askpass program, too; see the options that stay
        words = ["ssh", "-F", "none", *(f"-o{name}={value}" for name, value in options.items())]
        env["GIT_SSH_COMMAND"] = shlex.join(words)
        yield env


def ssh_options(remote: RemoteUrl, address: str | None, connect_timeout_s: float) -> dict[str, str]:
    """Connect to the checked address alone, know the server by its name, use the given key and nothing else."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known_hosts.user_file()),
        "HostKeyAlias": known_hosts.filed_under(remote.host, remote.effective_port),
        "CheckHostIP": "no",
        "UpdateHostKeys": "no",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": "none",  # the hub's own keys are not for whoever may start a job
        "PreferredAuthentications": "publickey",
        "NumberOfPasswordPrompts": "1",
        "ForwardAgent": "no",
        "ProxyCommand": "none",
        "ConnectTimeout": str(max(1, round(connect_timeout_s))),
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "3",
    }
    if address:
        options["HostName"] = address
    return options
