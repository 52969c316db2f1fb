"""Who asks, through proxies: what trusted ones say counts, and what a client writes itself never does."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from hub.settings import Settings
from hub.web.door.peers import Peer, base_url, client_address, peer
from hub.web.keys import HUB

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48", "unix")


def asked(remote: str, *headers: tuple[str, str], trusted: tuple[str, ...] = PROXIES) -> web.Request:
    app = web.Application()
    hub: Any = SimpleNamespace(settings=Settings(trusted_proxies=trusted))
    app[HUB] = hub
    told = CIMultiDict([("Host", "inner:8470"), *headers])
    return make_mocked_request("GET", "/", headers=told, app=app).clone(remote=remote)


FOR, PROTO, HOST, FORWARDED = "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"


@pytest.mark.parametrize(
    ("remote", "headers", "address"),
    [
        # Nobody else is believed.
        ("192.0.2.9", [(FOR, "198.51.100.1")], "192.0.2.9"),
        ("192.0.2.9", [(FORWARDED, "for=198.51.100.1")], "192.0.2.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [(FOR, "198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "198.51.100.1:4711")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "[2001:db8::1]:4711")], "2001:db8::1"),
        ("10.0.0.1", [(FOR, "2001:DB8:0::1")], "2001:db8::1"),
        ("::ffff:10.0.0.1", [(FOR, "::ffff:198.51.100.1")], "198.51.100.1"),
        ("2001:db8:ffff::1", [(FOR, "198.51.100.1")], "198.51.100.1"),
        ("", [(FOR, "198.51.100.1")], "198.51.100.1"),
        # What the client wrote stands before what the proxy adds.
        ("10.0.0.1", [(FOR, "127.0.0.1, 198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "127.0.0.1"), (FOR, "198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "6.6.6.6, 198.51.100.1, 10.0.0.2")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "10.0.0.9, 198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [(FOR, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        # Where a link of the chain is no address, nothing before it proves anything.
        ("10.0.0.1", [(FOR, "6.6.6.6, unknown")], "10.0.0.1"),
        ("10.0.0.1", [(FOR, "6.6.6.6, <script>, 10.0.0.2")], "10.0.0.2"),
        ("10.0.0.1", [(FOR, "6.6.6.6,")], "10.0.0.1"),
        ("10.0.0.1", [(FOR, "")], "10.0.0.1"),
        # RFC 7239
        ("10.0.0.1", [(FORWARDED, 'For="[2001:db8::1]:4711";proto=https')], "2001:db8::1"),
        ("10.0.0.1", [(FORWARDED, "for=6.6.6.6, for=198.51.100.1;by=10.0.0.1")], "198.51.100.1"),
        ("10.0.0.1", [(FORWARDED, "for=6.6.6.6"), (FORWARDED, "for=198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [(FORWARDED, "for=6.6.6.6, for=_hidden")], "10.0.0.1"),
        ("10.0.0.1", [(FORWARDED, 'for="6.6.6.6, for=198.51.100.1')], "10.0.0.1"),
        ("10.0.0.1", [(FORWARDED, 'for=6.6.6.6;x="'), (FORWARDED, 'for=198.51.100.1;by="10.0.0.1"')], "10.0.0.1"),
        ("10.0.0.1", [(FORWARDED, 'for=6.6.6.6;x="\\'), (FORWARDED, 'for=198.51.100.1;by="a"')], "10.0.0.1"),
        ("10.0.0.1", [(FORWARDED, 'for=6.6.6.6;x="a\\""'), (FORWARDED, 'for=198.51.100.1;by="a"')], "198.51.100.1"),
        # A proxy that knows one of the two hands on the other as the client wrote it.
        ("10.0.0.1", [(FOR, "198.51.100.1"), (FORWARDED, "for=6.6.6.6")], "10.0.0.1"),
        ("10.0.0.1", [(FOR, "198.51.100.1"), (FORWARDED, "for=198.51.100.1")], "198.51.100.1"),
    ],
)
def test_the_address_is_the_last_one_that_a_trusted_proxy_vouches_for(
    remote: str, headers: list[tuple[str, str]], address: str
) -> None:
    assert client_address(asked(remote, *headers)) == address


def test_without_the_setting_nobody_is_believed() -> None:
    request = asked("127.0.0.1", (FOR, "6.6.6.6"), (PROTO, "https"), (HOST, "evil.example"), trusted=())
    assert peer(request) == Peer(address="127.0.0.1", scheme="http", host="inner:8470")
    assert client_address(asked("", (FOR, "6.6.6.6"), trusted=("10.0.0.0/8",))) == "unix"


def test_scheme_host_and_prefix_come_with_the_address() -> None:
    request = asked(
        "10.0.0.1", (FOR, "198.51.100.1"), (PROTO, "HTTPS"), (HOST, "hub.example"), ("X-Forwarded-Prefix", "/hub/")
    )
    assert peer(request) == Peer(address="198.51.100.1", scheme="https", host="hub.example", prefix="/hub")
    assert base_url(request) == "https://hub.example/hub"
    told = asked("10.0.0.1", (FORWARDED, 'for=198.51.100.1;proto=https;host="hub.example:8443"'))
    assert base_url(told) == "https://hub.example:8443"


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ([(FOR, "6.6.6.6, 198.51.100.1"), (PROTO, "https, http")], "http://inner:8470"),
        ([(FOR, "198.51.100.1, 10.0.0.2"), (PROTO, "https, http")], "https://inner:8470"),
        ([(FOR, "198.51.100.1"), (PROTO, "javascript")], "http://inner:8470"),
        ([(FOR, "198.51.100.1"), (HOST, "evil.example/x?")], "http://inner:8470"),
        ([(FOR, "198.51.100.1"), (HOST, "user@evil.example")], "http://inner:8470"),
        ([(PROTO, "https")], "https://inner:8470"),
        ([("X-Forwarded-Prefix", "//evil.example")], "http://inner:8470"),
        ([("X-Forwarded-Prefix", "/a b")], "http://inner:8470"),
    ],
)
def test_what_is_told_is_read_at_its_place_and_only_when_it_is_sound(headers: list[tuple[str, str]], url: str) -> None:
    assert base_url(asked("10.0.0.1", *headers)) == url
