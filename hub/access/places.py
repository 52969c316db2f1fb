"""Where a hub can be reached, and under which names: what only this machine reaches, and what nobody can point here."""

import functools
import ipaddress
import socket

UNIX = "unix:"
"""Before the path of a unix socket."""
HOUSEHOLD_BITS = 64


@functools.lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Is this a name of the machine itself that no DNS can point elsewhere?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_local(host: str) -> bool:
    """Does only this machine reach what listens there?"""
    return host.startswith(UNIX) or is_loopback(host)


def is_address(host: str) -> bool:
    """Is this an address itself? No DNS can point it elsewhere, so nobody has been led here by a name of their own."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def household(address: str) -> str:
    """Whom an address stands for. Of IPv6 it is the network: a single customer has 2^64 addresses at least."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, HOUSEHOLD_BITS), strict=False)) if found.version == 6 else address


@functools.lru_cache(maxsize=1)
def own_names() -> frozenset[str]:
    """What this machine calls itself, and what it is called on the local network (RFC 6762)."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return frozenset({name, short, f"{short}.local"}) - {""}
