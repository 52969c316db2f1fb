"""How a WebSocket begins: the handshake, what is not agreed on in it, and a client in a hurry."""

import asyncio

import pytest

from tests.hubs import Running
from tests.transports.raw_ws import Peer, padded, text

# -- 12: compression --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offer",
    ["permessage-deflate", "permessage-deflate; client_max_window_bits; server_no_context_takeover", "x-nonsense"],
)
async def test_12_an_offer_to_compress_is_declined_and_all_works_without(hub: Running, offer: str) -> None:
    peer = await Peer.connect(hub, Sec_WebSocket_Extensions=offer)
    assert b"sec-websocket-extensions" not in peer.head.lower()
    await peer.hear("snapshot")
    await peer.is_heard()
    peer.leave()


# -- the handshake ----------------------------------------------------------------------------------------------------


async def test_the_handshake_is_answered_as_in_the_rfc(hub: Running) -> None:
    peer = await Peer.connect(hub, Sec_WebSocket_Protocol="chat, superchat")
    head = peer.head.decode().lower()
    assert head.startswith("http/1.1 101 ")
    assert "\r\nupgrade: websocket\r\n" in head
    assert "\r\nconnection: upgrade\r\n" in head
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in peer.head
    for absent in ("content-type", "content-length", "transfer-encoding", "sec-websocket-protocol"):
        assert f"\r\n{absent}:" not in head
    peer.leave()


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Sec-WebSocket-Version", "12", 426),
        ("Sec-WebSocket-Version", "", 426),
        ("Sec-WebSocket-Key", "", 400),
        ("Sec-WebSocket-Key", "c2hvcnQ=", 400),
        ("Sec-WebSocket-Key", "!!!", 400),
        ("Connection", "keep-alive", 400),
        ("Content-Length", "5", 400),
    ],
)
async def test_a_handshake_that_is_none_is_told(hub: Running, header: str, value: str, status: int) -> None:
    peer = await Peer.connect(hub, **{header: value})
    assert peer.status == status
    if status == 426:
        assert b"Sec-WebSocket-Version: 13\r\n" in peer.head
    peer.leave()


@pytest.mark.parametrize("connection", ["keep-alive, Upgrade", "upgrade", "UPGRADE , close"])
async def test_the_connection_header_may_say_more(hub: Running, connection: str) -> None:
    peer = await Peer.connect(hub, Connection=connection)
    await peer.hear("snapshot")
    peer.leave()


async def test_a_client_that_does_not_wait_for_the_handshake_is_heard_all_the_same(hub: Running) -> None:
    host, port = hub.url.removeprefix("http://").split(":")
    peer = Peer(*await asyncio.open_connection(host, int(port)))
    head = f"GET /api/v1/projects/p/events HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    peer.send(head.encode(), text(padded(40)), text(padded(41)))
    await peer.reader.readuntil(b"\r\n\r\n")
    assert [(await peer.hear("pong"))["id"] for _ in range(2)] == [40, 41]
    peer.leave()
