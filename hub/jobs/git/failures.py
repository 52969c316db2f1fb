"""What can go wrong in a clone, in words its owner can act on, and how the words of git and libgit2 map to it."""

import errno
import re
import socket
import ssl
from typing import NamedTuple

from hub.jobs.base import JobFailed
from hub.jobs.reporter import disk_full


class _Row(NamedTuple):
    message: str
    hint: str
    retry: bool = False


FAILURES: dict[str, _Row] = {
    "host_not_found": _Row(
        "No address was found for the URL's host.",
        "Check the spelling of the URL's host, and that this machine can resolve names.",
        retry=True,
    ),
    "refused": _Row(
        "The server refused the connection.",
        "Check the host and port of the URL, and that the server is up.",
        retry=True,
    ),
    "timeout": _Row(
        "The server did not answer in time.",
        "Try again later; if the server is slow, raise `connect_timeout_s` or `silence_timeout_s`.",
        retry=True,
    ),
    "tls": _Row(
        "The server's TLS certificate could not be verified.",
        "If the server uses a certificate of your own, make this machine trust its authority (SSL_CERT_FILE).",
    ),
    "not_git": _Row(
        "There is a server, but no git repository at this URL.",
        "Use the address that the host shows under 'Clone'; it is not the one of a web page about the repository.",
    ),
    "repository_not_found": _Row(
        "The server knows no such repository.",
        "Check the spelling. A private repository also looks missing to those who may not see it: "
        "try again with credentials.",
    ),
    "credentials_wanted": _Row(
        "The server wants credentials.",
        "Run the job again with a token, with a user name and password, or with an ssh key for ssh URLs. "
        "Some servers answer so for repositories that do not exist.",
    ),
    "credentials_wrong": _Row(
        "The server did not accept the credentials.",
        "Check that the token, password or key is current and may read this repository.",
    ),
    "host_key_unknown": _Row(
        "The ssh server's host key is not among the known ones.",
        "Verify the key, then add it to the hub user's ~/.ssh/known_hosts (ssh-keyscan shows it).",
    ),
    "branch_not_found": _Row(
        "The remote has no such branch or tag.",
        "Check the spelling, or leave `branch` out to get the default branch.",
    ),
    "empty_repository": _Row(
        "The repository has no commit that could be indexed.",
        "Push a commit to its default branch, or name another `branch`.",
    ),
    "redirected": _Row(
        "The server sends on to a place where the hub does not connect.",
        "If you trust that place, use its URL directly.",
    ),
    "too_large": _Row(
        "The repository is larger than the hub takes.",
        "Use `bare` to have it without files, or `depth` for less history.",
    ),
    "unsafe_files": _Row(
        "The repository holds file names that are not safe to write, such as a folder named .git.",
        "Use `bare` to have it without files.",
    ),
    "protocol": _Row("The transfer failed.", "The log holds what git said.", retry=True),
}


def failed(code: str, message: str | None = None, *, hint: str | None = None, retry: bool | None = None) -> JobFailed:
    """A failure out of the table; what is given replaces the table's own words."""
    row = FAILURES[code]
    return JobFailed(code, message or row.message, hint=hint or row.hint, retry=row.retry if retry is None else retry)


def _rule(code: str, pattern: str) -> tuple[str, re.Pattern[str]]:
    return code, re.compile(pattern, re.IGNORECASE)


# The first that matches decides, so the special stand before the general. From git 2.39, OpenSSH 9 and libgit2 1.9.
_WORDS = (
    _rule("unsafe_files", r"invalid path|cannot checkout to invalid|invalid symlink|unable to create (?:sym)?link"),
    _rule("too_large", r"out of memory"),
    _rule("disk_full", r"no space left on device|disk quota exceeded"),
    _rule("host_key_unknown", r"host key verification failed|host identification has changed|(?:ssh )?hostkey"),
    _rule("credentials_wrong", r"load key .*:|incorrect passphrase|unable to (?:extract public key|open)|"
          r"invalid credential|callback returned unsupported|wrong passphrase"),
    _rule("credentials", r"permission denied \(|authentication failed|could not read (?:user|pass)|"
          r"too many authentication failures|authentication required|status code: 40[13]|"
          r"returned error: 40[13]|no auth sock|authentication replays|username does not match"),
    _rule("branch_not_found", r"remote branch .* not found|couldn't find remote ref|reference .* not found"),
    _rule("repository_not_found", r"not found|does not appear to be a git repository|no such file or directory|"
          r"access denied or repository not exported|does not exist|status code: 4(?:04|10)|"
          r"returned error: 4(?:04|10)|not a git repository|could not find repository"),
    _rule("host_not_found", r"could not resolve host|failed to resolve address|name or service not known"),
    _rule("refused", r"connection refused|no route to host|network is unreachable"),
    _rule("timeout", r"timed? ?out|operation too slow"),
    _rule("tls", r"certificate|ssl error|gnutls_handshake|tls"),
    _rule("redirected", r"returned error: 30\d|too many redirect|cannot redirect"),
)  # fmt: skip


def explain(words: str, *, had_credentials: bool) -> JobFailed:
    """The failure that an engine's own words amount to; `protocol`, quoting them, for words not known."""
    for code, pattern in _WORDS:
        if pattern.search(words):
            if code == "disk_full":
                return disk_full("The disk is full.")
            if code == "credentials":
                code = "credentials_wrong" if had_credentials else "credentials_wanted"  # noqa: PLW2901
            return failed(code)
    return failed("protocol", f"The transfer failed: {_last_line(words)}" if words.strip() else None)


def _last_line(words: str) -> str:
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "ERROR:", "remote:"))]
    return (told or lines)[0].removeprefix("fatal: ").removeprefix("error: ")


def of_socket(exc: OSError) -> JobFailed:
    """The failure that an error while connecting or reading headers amounts to."""
    if isinstance(exc, ssl.SSLError):
        reason = getattr(exc, "verify_message", "") or exc.reason or str(exc)
        return failed("tls", f"A secure connection to the server was not possible: {reason}.")
    if isinstance(exc, TimeoutError) or exc.errno == errno.ETIMEDOUT:
        return failed("timeout")
    if isinstance(exc, socket.gaierror):
        return failed("host_not_found")
    if exc.errno in {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN}:
        return failed("refused")
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full("The disk is full.")
    return failed("protocol", f"The connection to the server broke: {exc.strerror or type(exc).__name__}.")
