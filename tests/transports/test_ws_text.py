"""A WebSocket's texts are UTF-8, however they are cut; what is not is told at the first byte that cannot be."""

import asyncio
import json

import pytest

from tests.transports.raw_ws import CONTINUATION, TEXT, Peer, frame, text

# -- 6: text is UTF-8 -------------------------------------------------------------------------------------------------

KOSME = "κόσμε".encode()
VALID = [
    "", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\x00", "\u0080", "\u0800", "\U00010000", "\x7f", "\u07ff", "\uffff",
    "\U0010ffff", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\ufdd0", "\U0001fffe",
]  # fmt: skip
INVALID = {
    "lone continuation": b"\x80",
    "two continuations": b"\x80\xbf",
    "impossible bytes": b"\xfe\xff",
    "overlong ascii": b"\xc0\xaf",
    "overlong in three": b"\xe0\x80\xaf",
    "overlong in four": b"\xf0\x80\x80\xaf",
    "overlong maximum": b"\xf0\x8f\xbf\xbf",
    "overlong nul": b"\xc0\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "above the last": b"\xf4\x90\x80\x80",
    "surrogate": b"\xed\xa0\x80",
    "surrogate pair": b"\xed\xa0\x80\xed\xb0\x80",
    "start without the rest": b"\xce ",
    "cut off": b"\xf0\x90\x80",
    "autobahn's": KOSME + b"\xf4\x90\x80\x80edited",
}


@pytest.mark.parametrize("word", VALID, ids=ascii)
async def test_6_any_text_comes_back_as_it_was_even_cut_within_a_character(peer: Peer, word: str) -> None:
    data = json.dumps({"op": "ping", "id": word}, ensure_ascii=False).encode()
    for cuts in ((), tuple(range(1, len(data)))):
        peer.send(text(data, *cuts))
        assert (await peer.hear("pong"))["id"] == word


@pytest.mark.parametrize("data", INVALID.values(), ids=INVALID)
@pytest.mark.parametrize("way", ["whole", "fragments", "chopped"])
async def test_6_invalid_text_is_told_as_such(peer: Peer, data: bytes, way: str) -> None:
    data = b'{"op": "' + data
    if way == "chopped":
        for byte in text(data):
            peer.send(bytes((byte,)))
            await asyncio.sleep(0)
    else:
        peer.send(text(data) if way == "whole" else text(data, *range(1, len(data))))
    assert await peer.ending() == 1007


async def test_6_invalid_text_is_told_before_its_message_ends(peer: Peer) -> None:
    peer.send(frame(TEXT, KOSME + b"\xf4", fin=False))
    await peer.is_alive()
    peer.send(frame(CONTINUATION, b"\x90", fin=False))
    assert await peer.ending() == 1007


async def test_6_invalid_text_is_told_before_its_frame_ends(peer: Peer) -> None:
    peer.send(frame(TEXT, KOSME + b"\xf4\x90\x80\x80", size=1000))
    assert await peer.ending() == 1007


async def test_6_a_request_with_half_a_surrogate_gets_an_answer(peer: Peer) -> None:
    """JSON may escape what UTF-8 cannot say."""
    peer.send(text('{"op": "ping", "id": "\\ud800"}'))
    await peer.hear("pong")
    await peer.is_heard()
