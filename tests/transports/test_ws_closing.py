"""How a WebSocket ends: both sides say so, the peer can read why, and what comes after is dropped."""

import asyncio
import itertools

import pytest

from hub.core.errors import EndReason
from tests.conftest import until
from tests.fakes import log_body
from tests.hubs import Running
from tests.transports.raw_ws import CLOSE, PING, TEXT, Peer, close, frame, padded, text

# -- 7: closing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999])
@pytest.mark.parametrize("reason", [b"", b"enough", "schön".encode(), b"x" * 123], ids=len)
async def test_7_a_close_is_answered_with_its_code(peer: Peer, code: int, reason: bytes) -> None:
    peer.send(close(code, reason))
    assert await peer.ending() == code


async def test_7_a_close_without_a_code_is_answered_without_one(peer: Peer) -> None:
    peer.send(close())
    assert await peer.ending() is None


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32_768, 65_535])
async def test_7_an_invalid_close_code_is_an_error(peer: Peer, code: int) -> None:
    """Codes for use in programs alone (1005, 1006, 1015) among them."""
    peer.send(close(code, b"why"))
    assert await peer.ending() == 1002


async def test_7_half_a_close_code_is_an_error(peer: Peer) -> None:
    peer.send(frame(CLOSE, b"\x03"))
    assert await peer.ending() == 1002


async def test_7_a_close_reason_must_be_text(peer: Peer) -> None:
    peer.send(close(1000, b"\xce\xba\xed\xa0\x80"))
    assert await peer.ending() == 1007


@pytest.mark.parametrize(
    "after", [text("hello"), frame(PING), close(1000), b"\xff" * 5000, frame(TEXT, b"x" * 200_000)],
    ids=["text", "ping", "close", "garbage", "much"],
)  # fmt: skip
async def test_7_what_comes_after_a_close_is_dropped(peer: Peer, after: bytes) -> None:
    peer.send(close(1000), after)
    assert await peer.ending() == 1000


async def test_7_a_close_within_a_fragmented_message_is_a_close(peer: Peer) -> None:
    peer.send(frame(TEXT, b"fragment", fin=False), close(1000))
    assert await peer.ending() == 1000


async def test_7_garbage_after_a_violation_is_dropped(peer: Peer) -> None:
    peer.send(frame(TEXT, b"", rsv=7), *itertools.repeat(b"\xff" * 1000, 500))
    assert await peer.ending() == 1002


async def test_7_a_peer_that_never_answers_a_close_is_let_go(hub: Running, peer: Peer) -> None:
    for outlet in hub.hub.tracker.outlets():
        outlet.end(EndReason.TOO_SLOW)
    assert (await peer.hear("bye"))["reason"] == "too_slow"
    opcode, payload = await peer.receive()
    assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, 4001)
    await until(lambda: hub.hub.tracker.watcher_count == 0)


async def test_7_until_the_peer_answers_a_close_it_is_still_listened_to(hub: Running, peer: Peer) -> None:
    for outlet in hub.hub.tracker.outlets():
        outlet.end(EndReason.GONE)
    peer.send(text("still"), frame(PING), frame(TEXT, b"talking", fin=False), close(4503))
    await peer.hear("bye")
    assert await peer.ending() == 4503


async def test_7_a_violation_while_closing_ends_it(hub: Running, peer: Peer) -> None:
    for outlet in hub.hub.tracker.outlets():
        outlet.end(EndReason.GONE)
    peer.send(b"\xff" * 100)
    await peer.hear("bye")
    assert await peer.ending() == 4503


async def test_7_nothing_is_told_after_a_close(hub: Running, peer: Peer) -> None:
    await hub.begin()
    peer.send(close(1000))
    for n in range(5):
        hub.publish("p", "j1", log_body(str(n)))
        await hub.settle()
    hub.hub.tracker.beat()
    assert await peer.ending() == 1000


async def test_7_a_half_closed_connection_is_over(hub: Running, peer: Peer) -> None:
    peer.writer.write_eof()
    assert await asyncio.wait_for(peer.reader.read(), 5) is not None
    await until(lambda: hub.hub.tracker.watcher_count == 0)


@pytest.mark.parametrize("cut", [1, 3, 20], ids=["within a head", "within a mask", "within a payload"])
async def test_7_a_connection_cut_within_a_frame_leaves_nothing(hub: Running, peer: Peer, cut: int) -> None:
    peer.send(text(padded(40))[:cut])
    await until(lambda: hub.hub.tracker.watcher_count == 1)
    peer.leave()
    await until(lambda: hub.hub.tracker.watcher_count == 0)


async def alive_watchers(hub: Running, count: int) -> None:
    await until(lambda: hub.hub.tracker.watcher_count == count)
