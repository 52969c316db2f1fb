"""Which network addresses the hub may connect to: public ones, and what the operator opens. Pure."""

import ipaddress
from collections.abc import Iterable

from hub.core.errors import UrlRefused
from hub.jobs.base import Rules

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REFUSED_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "168.63.129.16/32",  # a cloud's own host, under an address that looks public
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
        "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
"""Besides what `ipaddress` itself calls private or reserved, which differs between Python versions."""


def check_addresses(addresses: Iterable[str], rules: Rules) -> None:
    """Raise UrlRefused if any of the addresses is not a public one and not inside `rules.allow_networks`.

    Any, not all: a name that answers with a public and a private address would otherwise leave the choice to luck.
    """
    allowed = [ipaddress.ip_network(network, strict=False) for network in rules.allow_networks]
    for text in addresses:
        for address in _unwrapped(ipaddress.ip_address(text.partition("%")[0])):
            if _is_public(address) or any(address in network for network in allowed):
                continue
            raise UrlRefused(
                "The URL leads to a private or reserved network address, where the hub does not connect. "
                "The setting `allow_networks` opens networks that it should reach."
            )


def _unwrapped(address: Address) -> tuple[Address, ...]:
    """The address and every IPv4 address in it that a gateway on the way would take out."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:  # the very same as the IPv4 address, so judged as that alone
        return (address.ipv4_mapped,)
    inner: list[Address] = [address]
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner.extend(address.teredo)
    is_compatible = address in ipaddress.ip_network("::/96") and int(address) > 1  # but not `::` and `::1`
    if is_compatible or address in ipaddress.ip_network("64:ff9b::/96"):
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(inner)


def _is_public(address: Address) -> bool:
    return not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or any(address in network for network in REFUSED_NETWORKS)
    )
