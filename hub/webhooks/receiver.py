"""Where a webhook leads: its URL taken apart, and judged by the very gate that jobs go through."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from hub.core.errors import UrlRefused
from hub.jobs import gate
from hub.jobs.addresses import check_addresses
from hub.jobs.base import Rules
from hub.jobs.gate import RemoteUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    remote: RemoteUrl
    """Scheme, host and port; its path says nothing."""
    target: str
    """Path and query."""

    @property
    def url(self) -> str:
        return f"{self.remote.scheme}://{self.remote.authority}{self.target}"


def parse(url: str, rules: Rules) -> Receiver:
    """Without I/O. Raises UrlRefused for what is no URL of a receiver, and for what the rules already forbid."""
    if len(url) > gate.LONGEST_URL:
        raise UrlRefused(f"The URL is longer than {gate.LONGEST_URL} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise UrlRefused("The URL holds a space, a backslash or a control character.")
    scheme, colon, rest = url.partition("://")
    scheme = scheme.lower()
    if not colon or scheme not in {"https", "http"}:
        raise UrlRefused("A webhook's URL begins with https://, or http:// in networks that `allow_networks` opens.")
    rest, _, fragment = rest.partition("#")
    end = min((place for place in (rest.find("/"), rest.find("?")) if place >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    if fragment or not target.isascii():
        raise UrlRefused("The URL's path and query must be ASCII, percent-encoded, and have no '#' part.")
    if "@" in authority:
        raise UrlRefused(
            "The URL holds a user name or password. Leave it out: the receiver knows the hub by the signature.",
            code="credentials_in_url",
        )
    remote = gate.parse(f"{scheme}://{authority}/receiver")
    check(remote, gate.literal_addresses(remote), rules)
    return Receiver(remote=remote, target=target if target.startswith("/") else f"/{target}")


def shown(url: str) -> str:
    """A sound URL for people: without path and query, by which many receivers know who may tell them something."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    return url if rest in {authority, f"{authority}/"} else f"{scheme}://{authority}/…"


def check(remote: RemoteUrl, addresses: Iterable[str], rules: Rules) -> None:
    """Raise UrlRefused unless every address is one that the hub may connect to by this scheme."""
    found = tuple(addresses)
    check_addresses(found, rules)
    if remote.scheme == "http" and not all(_is_open(address, rules) for address in found):
        raise UrlRefused(
            "Plain http would show everybody on the way what is told, so it is for the operator's own networks "
            "(`allow_networks`). Give an https URL."
        )


def resolved(remote: RemoteUrl, rules: Rules) -> tuple[str, ...]:
    """Every address of the receiver's host, each found fit. Blocks.

    Raises UrlRefused, and JobFailed `host_not_found`.
    """
    addresses = gate.resolve(remote, rules)
    check(remote, addresses, rules)
    return addresses


def _is_open(text: str, rules: Rules) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    networks = (ipaddress.ip_network(network, strict=False) for network in rules.allow_networks)
    return any(address in network for network in networks)
