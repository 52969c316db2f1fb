"""Who asks, and how: through proxies that are trusted, and from everybody else as the connection says.

`X-Forwarded-For`, `-Proto`, `-Host`, `-Prefix` and `Forwarded` (RFC 7239) are words of whoever sends them. They count
only where the connection comes from a network in `trusted_proxies`, and are read from the end, which is what the
nearest proxy has added: what a client wrote itself stands before that and is never reached.
"""

import functools
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from hub.web.keys import HUB

UNIX = "unix"
"""The address of whoever comes over a unix socket."""
_PREFIX = re.compile(r"(?:/[\w.~-]+)+")
_HOST = re.compile(r"[\w.-]+(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?", re.ASCII)
_PAIR = re.compile(r'\s*([\w-]+)=("(?:[^"\\]|\\.)*"|[^,;"\s]*)\s*', re.ASCII)

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The client as far as it is known: an address, and under which URL it asks."""

    address: str
    scheme: str
    host: str
    """A `Host` header's text; empty where there was none."""
    prefix: str = ""
    """The path under which a proxy shows the hub, without a slash at its end."""


_PEER = web.RequestKey("PEER", Peer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """What one proxy says of whoever asked it; empty where it says nothing."""

    address: str = ""
    scheme: str = ""
    host: str = ""


def client_address(request: web.Request) -> str:
    """The IP address that a request comes from, for limits and logs; `unix` for a local socket."""
    return peer(request).address


def peer(request: web.Request) -> Peer:
    found = request.get(_PEER)
    if found is None:
        found = request[_PEER] = _found(request)
    return found


def base_url(request: web.Request) -> str:
    """Of the hub, as the client sees it, without a slash at its end."""
    client = peer(request)
    return f"{client.scheme}://{client.host}{client.prefix}"


def _found(request: web.Request) -> Peer:
    address = normal(request.remote or "") or UNIX
    plain = Peer(address=address, scheme=request.scheme, host=request.headers.get("Host", ""))
    trusted = request.app[HUB].settings.trusted_proxies
    if not trusted or not is_trusted(address, trusted):
        return plain
    new, old = hops(request.headers.getall("Forwarded", ())), x_hops(request)
    if new and old and _client(new, trusted) != _client(old, trusted):
        # A proxy that knows one of the two hands the other on as the client wrote it, and nobody says which.
        return plain
    hop = _client(new or old, trusted)
    prefix = request.headers.getall("X-Forwarded-Prefix", [""])[-1].strip().rstrip("/")
    return Peer(
        address=hop.address or address,
        scheme=hop.scheme or plain.scheme,
        host=hop.host or plain.host,
        prefix=prefix if _PREFIX.fullmatch(prefix) else "",
    )


def _client(told: Sequence[Hop], trusted: Sequence[str]) -> Hop:
    """The farthest hop that trusted proxies vouch for: the first from the end that is no trusted proxy itself."""
    last = Hop()
    for hop in reversed(told):
        if not hop.address:  # unknown, hidden, or no address at all: what stands before it proves nothing
            return Hop(address=last.address, scheme=hop.scheme or last.scheme, host=hop.host or last.host)
        last = Hop(address=hop.address, scheme=hop.scheme or last.scheme, host=hop.host or last.host)
        if not is_trusted(hop.address, trusted):
            break
    return last


def x_hops(request: web.Request) -> list[Hop]:
    """From `X-Forwarded-*`: as many as there are addresses, each with the scheme and host told at its place."""
    addresses, schemes, hosts = (_words(request, f"X-Forwarded-{name}") for name in ("For", "Proto", "Host"))
    if not addresses and (schemes or hosts):
        addresses = [""]
    return [
        Hop(
            address=_address(address),
            scheme=_scheme(_at(schemes, len(addresses) - place)),
            host=_host(_at(hosts, len(addresses) - place)),
        )
        for place, address in enumerate(addresses)
    ]


def hops(lines: Sequence[str]) -> list[Hop]:
    """From `Forwarded` (RFC 7239, 4). One that is unknown for what is not as the RFC has it, from end to end: a quote
    that a client leaves open would swallow what a proxy adds behind it.
    """
    text, place = ",".join(lines), 0
    pairs: dict[str, str] = {}
    found: list[Hop] = []
    while place < len(text):
        if match := _PAIR.match(text, place):
            pairs[match[1].lower()] = _unquoted(match[2])
            place = match.end()
        if place < len(text) and text[place] not in ",;":
            return [Hop()]
        if place == len(text) or text[place] == ",":
            found.append(_hop(pairs))
            pairs = {}
        place += 1
    return found


def _hop(pairs: Mapping[str, str]) -> Hop:
    return Hop(
        address=_address(pairs.get("for", "")),
        scheme=_scheme(pairs.get("proto", "")),
        host=_host(pairs.get("host", "")),
    )


def _words(request: web.Request, name: str) -> list[str]:
    return [word.strip() for line in request.headers.getall(name, ()) for word in line.split(",")]


def _at(told: Sequence[str], from_end: int) -> str:
    """Most proxies write scheme and host once, in place of what was there: then it is true for all."""
    return told[max(len(told) - from_end, 0)] if told else ""


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _address(text: str) -> str:
    """Without a port; empty for what is no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return normal(text)


def _scheme(text: str) -> str:
    return text.lower() if text.lower() in {"http", "https"} else ""


def _host(text: str) -> str:
    return text if _HOST.fullmatch(text) else ""


@functools.lru_cache(maxsize=1024)
def normal(text: str) -> str:
    """An IP address as it is commonly written, IPv4 in IPv6 as IPv4; empty for what is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if address.scope_id is not None:
            return str(ipaddress.IPv6Address(int(address)))
    return str(address)


def is_trusted(address: str, trusted: Sequence[str]) -> bool:
    if address == UNIX:
        return UNIX in trusted
    found = ipaddress.ip_address(address)
    return any(found in network for network in _networks(tuple(trusted)) if network.version == found.version)


@functools.lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> Networks:
    return tuple(ipaddress.ip_network(each, strict=False) for each in trusted if each != UNIX)
