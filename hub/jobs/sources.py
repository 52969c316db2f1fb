"""Where an ingest takes a repository from: `owner/name` on a code host, any full URL, or a folder here. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hub.core.errors import BadParams
from hub.jobs import gate


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeHost:
    host: str
    user: str
    """The user name that goes with a token there."""
    has_subgroups: bool = False
    """Owners may lie in one another: `group/subgroup/name`."""


HOSTS: Mapping[str, CodeHost] = {
    # What each host's own documentation says of cloning over https with a token.
    "github": CodeHost(host="github.com", user="x-access-token"),
    "gitlab": CodeHost(host="gitlab.com", user="oauth2", has_subgroups=True),
    "bitbucket": CodeHost(host="bitbucket.org", user="x-token-auth"),
}
LOCAL = "local"
SOURCES = (*HOSTS, LOCAL)
LONGEST = 1024

_PART = re.compile(r"[A-Za-z0-9_.~][A-Za-z0-9_.~-]*")
_SCP = re.compile(r"[^/:@]+@[^/:]+:.+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A project's `url`, or its `path`: one of them is None."""

    url: str | None = None
    path: str | None = None

    def spellings(self) -> tuple[str, ...]:
        """The URL as it may also be written: with and without `.git`, its own first."""
        if self.url is None:
            return ()
        bare = self.url.removesuffix(".git")
        return tuple(dict.fromkeys((self.url, bare, f"{bare}.git")))


def locate(source: str, repository: str) -> Location:
    """`owner/name`, `host/owner/name` or a full URL of a code host; a folder, or its `file://` URL, for `local`.

    A folder is a project whose files are used where they are; a URL, a `file://` one too, is cloned. Whether the hub
    may go there is not asked. Raises BadParams, UrlRefused.
    """
    if source not in SOURCES:
        raise BadParams(f"Invalid source: {source}. Supported sources: {', '.join(SOURCES)}", code="unknown_source")
    text = repository.strip()
    if not text or len(text) > LONGEST:
        raise BadParams(f"repository must be a text of 1 to {LONGEST} characters.")
    if source == LOCAL:
        return _local(text)
    is_whole = "://" in text or _SCP.fullmatch(text)
    url = gate.parse(text if is_whole else _short(source, text)).text.rstrip("/")
    owner = source_of(url)
    if owner not in {None, source}:
        raise BadParams(f"This repository is of the source {owner}, not {source}.")
    return Location(url=url)


def source_of(url: str) -> str | None:
    """The source that the host of a sound URL belongs to; None for anybody's own host."""
    remote = gate.parse(url)
    if remote.scheme == "file":
        return LOCAL
    return next((name for name, found in HOSTS.items() if remote.host == found.host), None)


def _local(text: str) -> Location:
    remote = gate.parse(text)
    if remote.scheme != "file":
        raise BadParams("A local repository is the absolute path of a folder, or its file:// URL.")
    return Location(path=remote.path) if text.startswith("/") else Location(url=remote.text)


def _short(source: str, text: str) -> str:
    """The URL of `[host/]owner/name`."""
    host = HOSTS[source]
    parts = text.removesuffix("/").removesuffix(".git").split("/")
    own = host.host
    # A part with a dot or a port in front of two others is a host. A group of that look needs the full URL.
    if parts[0].lower() == host.host or (len(parts) > 2 and re.search("[.:]", parts[0])):
        own, parts = parts[0].lower(), parts[1:]
    is_whole = len(parts) == 2 or (len(parts) > 2 and host.has_subgroups)
    if not is_whole or not all(_PART.fullmatch(part) and part.strip(".") for part in parts):
        form = "group/name, group/subgroup/name" if host.has_subgroups else "owner/name"
        raise BadParams(f"A repository of {source} is {form}, host/owner/name, or its full URL.")
    return f"https://{own}/{'/'.join(parts)}.git"
