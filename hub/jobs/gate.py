"""The URL gate: which repositories the hub may be asked to fetch, and which addresses it may connect to.

`parse` reads a URL, `check` also applies the operator's rules; both are pure, so the hub's own process calls them.
`resolve` asks the DNS and `local_path` the file system: they block and belong in a child process. What a URL's host
resolves to is checked once, and the engines then connect to those very addresses, so a name that changes its answer
between check and use (DNS rebinding) gains nothing.
"""

import contextlib
import ipaddress
import os
import re
import socket
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hub.core.errors import UrlRefused
from hub.jobs.addresses import check_addresses
from hub.jobs.base import JobFailed, Rules

DEFAULT_PORTS = {"http": 80, "https": 443, "ssh": 22, "git": 9418}
LONGEST_URL = 2048
CLOSED = "Local folders are not open to jobs here, except inside the setting `roots` and outside of the hub's own data."

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"([^/:@\[\]]+)@(\[[^\]]*\]|[^/:\[\]]+):(.*)")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*")
_USER = re.compile(r"[A-Za-z0-9_.+~][A-Za-z0-9_.+~@-]*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029\ud800-\udfff]")
_TOKEN_LIKE = re.compile(r"(gh[pousr]_|github_pat_|glpat-|gldt-|hf_|ATBB|ATCTT|x-token|sk-).*|[A-Za-z0-9_-]{32,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteUrl:
    """A repository's URL, taken apart and found sound. For scheme `file` only `path` says anything."""

    scheme: str
    """http, https, ssh, git or file."""
    host: str = ""
    """Lower case ASCII; a number form of an IPv4 address is written out; IPv6 has no brackets."""
    port: int | None = None
    """None: the scheme's own."""
    path: str
    """As it was written, percent-encoding and all; absolute except in the scp-like form."""
    user: str | None = None
    scp_like: bool = False
    """`user@host:path`, where the path is relative to the user's home: no URL can say the same."""

    @property
    def text(self) -> str:
        """The URL as it may be stored and shown, and as engines are given it. Only ssh keeps its user."""
        if self.scheme == "file":
            return "file://" + urllib.parse.quote(self.path)
        if self.scp_like:
            return f"{self.user}@{self.authority}:{self.path}"
        user = f"{self.user}@" if self.user and self.scheme == "ssh" else ""
        return f"{self.scheme}://{user}{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in {None, DEFAULT_PORTS.get(self.scheme)} else f"{host}:{self.port}"

    @property
    def effective_port(self) -> int:
        return self.port or DEFAULT_PORTS[self.scheme]

    @property
    def is_http(self) -> bool:
        return self.scheme in {"http", "https"}

    def same_origin(self, other: "RemoteUrl") -> bool:
        """May what was meant for this server be told to the other? Plain http may become https, not the reverse."""
        if self.host != other.host:
            return False
        upgraded = (self.scheme, other.scheme) == ("http", "https") and self.effective_port == 80
        return upgraded or (self.scheme, self.effective_port) == (other.scheme, other.effective_port)

    def at(self, address: str) -> "RemoteUrl":
        """The same repository with its host's name replaced by one of its addresses."""
        return replace(self, host=address)


def parse(url: str) -> RemoteUrl:
    """Take a repository's URL apart, without I/O.

    Raises UrlRefused: for what is no such URL, for spellings that a tool further down could take for an option or
    a second line, and with the code `credentials_in_url` for a password or token in it.
    """
    if not isinstance(url, str) or not url:
        raise UrlRefused("A repository URL is needed, such as https://example.org/project.git.")
    if len(url) > LONGEST_URL:
        raise UrlRefused(f"The URL is longer than {LONGEST_URL} characters.")
    if _CONTROL.search(url) or _CONTROL.search(urllib.parse.unquote(url)):
        raise UrlRefused("The URL holds a line break or another control character.")
    if url.startswith("-"):
        raise UrlRefused("The URL begins with a dash.")
    if "\\" in url:
        raise UrlRefused("The URL holds a backslash.")
    if url.startswith("/"):
        return RemoteUrl(scheme="file", path=_local(url))
    if re.match(r"[A-Za-z0-9+.-]*::", url):  # git's syntax for remote helpers: `ext::` runs any program
        raise UrlRefused("URLs with '::' name a program to run; only http, https, ssh and git URLs are allowed.")
    if " " in url:
        raise UrlRefused("The URL holds a space; write %20.")
    match = _SCHEME.match(url)
    if match:
        return _parse_url(match[1].lower(), url[match.end() :])
    match = _SCP.fullmatch(url)
    if match:
        return _parse_scp(*match.groups())
    raise UrlRefused("The URL needs a scheme: https://…, http://…, ssh://… or git://…, or the form git@host:path.")


def _parse_url(scheme: str, rest: str) -> RemoteUrl:
    if scheme == "file":
        if not rest.startswith("/"):
            raise UrlRefused("A file URL names a folder of this machine: file:///path.")
        return RemoteUrl(scheme="file", path=_local(urllib.parse.unquote(rest)))
    if scheme not in DEFAULT_PORTS:
        raise UrlRefused(f"{scheme!r} URLs are not allowed, only http, https, ssh and git.")
    authority, slash, path = rest.partition("/")
    if "?" in rest or "#" in rest:
        _refuse_secret_query(rest)
        raise UrlRefused("A repository's URL has no '?' or '#' part.")
    info, at, place = authority.rpartition("@")
    user = _user(scheme, info) if at else None
    host, port = _host_and_port(place)
    if not path.strip("/"):
        raise UrlRefused("The URL names a server, but no repository on it.")
    _refuse_dash(path.lstrip("/"), "path")
    return RemoteUrl(scheme=scheme, host=host, port=port, path=slash + path, user=user)


def _parse_scp(user: str, host: str, path: str) -> RemoteUrl:
    if path.startswith("//") or not path.strip("/"):
        raise UrlRefused("The URL names a server, but no repository on it.")
    _refuse_dash(path.lstrip("/"), "path")
    host, _ = _host_and_port(host)
    return RemoteUrl(scheme="ssh", host=host, path=path, user=_user("ssh", user), scp_like=True)


def _local(path: str) -> str:
    if _CONTROL.search(path) or "\\" in path:
        raise UrlRefused("The path holds a line break, a backslash or another control character.")
    if any(part.startswith("-") for part in path.split("/")):
        raise UrlRefused("A part of the path begins with a dash.")
    if path.startswith("//") or ".." in path.split("/"):
        raise UrlRefused("The path must be written without '..' and with a single slash in front.")
    return os.path.normpath(path)


def _user(scheme: str, info: str) -> str | None:
    name, colon, password = info.partition(":")
    if colon and (password or scheme != "ssh"):
        raise UrlRefused(
            "The URL holds a password. Leave it out, and give it with the job as `token` or `password`.",
            code="credentials_in_url",
        )
    name = urllib.parse.unquote(name)
    _refuse_dash(name, "user name")
    if not is_user(name):
        raise UrlRefused("The user name in the URL is not one.")
    if scheme != "ssh" and _TOKEN_LIKE.fullmatch(name):
        raise UrlRefused(
            "The user name in the URL looks like a token. Leave it out, and give it with the job as `token`.",
            code="credentials_in_url",
        )
    return name


def is_user(name: str) -> bool:
    """May the name stand in a URL as it is, and still be nothing but a user's?"""
    return _USER.fullmatch(name) is not None


def _refuse_secret_query(rest: str) -> None:
    query = rest.partition("?")[2]
    names = {name.lower() for name, _ in urllib.parse.parse_qsl(query)}
    if any("token" in name or "password" in name or "secret" in name or name.endswith("key") for name in names):
        raise UrlRefused(
            "The URL holds a token. Leave it out, and give it with the job as `token`.", code="credentials_in_url"
        )


def _refuse_dash(text: str, what: str) -> None:
    if urllib.parse.unquote(text).startswith("-"):
        raise UrlRefused(f"The {what} in the URL begins with a dash.")


def _host_and_port(place: str) -> tuple[str, int | None]:
    if place.startswith("["):
        literal, bracket, rest = place[1:].partition("]")
        try:
            host = str(ipaddress.IPv6Address(literal))  # refuses zones such as %eth0, too: see the next test
        except ValueError as exc:
            raise UrlRefused("The URL's address in brackets is not an IPv6 address.") from exc
        if "%" in literal or not bracket or (rest and not rest.startswith(":")):
            raise UrlRefused("The URL's address in brackets is not an IPv6 address.")
        return host, _port(rest[1:]) if rest else None
    name, colon, port = place.partition(":")
    return _host(name), _port(port) if colon else None


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise UrlRefused("The URL's port is not a number from 1 to 65535.")
    return int(text)


def _host(name: str) -> str:
    if not name:
        raise UrlRefused("The URL names no host.")
    if name.startswith("-"):
        raise UrlRefused("The host in the URL begins with a dash.")
    try:
        # Also folds the look-alikes of digits and dots (full-width, circled) that a resolver would fold later.
        host = name.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError as exc:
        raise UrlRefused("The host in the URL is not a host name.") from exc
    if not _HOST.fullmatch(host):
        raise UrlRefused("The host in the URL is not a host name.")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # 127.1, 2130706433, 0x7f.1 and 0177.0.0.1 are all loopback to inet_aton, and so to getaddrinfo.
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError as exc:
            raise UrlRefused("The host in the URL ends in a number but is no IPv4 address.") from exc
    return host


def check(url: str, rules: Rules) -> RemoteUrl:
    """`parse`, and refuse what the rules already forbid without asking the DNS or the disk. Raises UrlRefused."""
    remote = parse(url)
    if remote.scheme == "file":
        if not any(Path(remote.path).is_relative_to(root) for root in rules.roots):
            raise UrlRefused(CLOSED)
        return remote
    check_addresses(literal_addresses(remote), rules)
    return remote


def literal_addresses(remote: RemoteUrl) -> tuple[str, ...]:
    """The addresses that the host stands for without a question to anyone; empty for an ordinary name."""
    if remote.host == "localhost" or remote.host.endswith(".localhost"):  # RFC 6761, section 6.3
        return ("127.0.0.1", "::1")
    try:
        return (str(ipaddress.ip_address(remote.host)),)
    except ValueError:
        return ()


def resolve(remote: RemoteUrl, rules: Rules) -> tuple[str, ...]:
    """All addresses of the remote's host, each found fit to connect to, in the resolver's order. Blocks.

    Raises JobFailed `host_not_found`, and UrlRefused as `check_addresses` does.
    """
    try:
        found = socket.getaddrinfo(remote.host, remote.effective_port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise JobFailed(
            "host_not_found",
            f"No address was found for the host {remote.host}.",
            hint="Check the spelling of the URL's host, and that this machine can resolve names.",
            retry=True,
        ) from exc
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    check_addresses(addresses, rules)
    return addresses


def local_path(remote: RemoteUrl, rules: Rules) -> Path:
    """Where a `file` remote really is, symlinks followed. Blocks.

    Raises UrlRefused when that is outside the roots, or where the system lets nobody look. It need not exist.
    """
    try:
        real = Path(remote.path).resolve()
        if is_open(real, rules):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                real.lstat()
    except (OSError, RuntimeError, ValueError) as exc:  # a name too long, no permission; a loop of links; no such name
        reason = exc.strerror if isinstance(exc, OSError) else None
        raise UrlRefused(f"The path cannot be followed: {reason or 'it leads nowhere'}.") from exc
    if not is_open(real, rules):
        raise UrlRefused(CLOSED)
    return real


def is_open(real: Path, rules: Rules) -> bool:
    """May jobs use what is at `real`, a path in which no link is left? Blocks."""

    def is_in(folders: Iterable[str]) -> bool:
        return any(real.is_relative_to(Path(folder).resolve()) for folder in folders)

    return is_in(rules.roots) and not is_in(rules.closed)
