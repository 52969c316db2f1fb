"""What a WebSocket client may do wrong with its frames, in the order of the Autobahn suite: each is told by its code.

A case ends as RFC 6455 says: the close frame is read by the peer, nothing follows it, and the hub keeps nothing.
"""

import asyncio

import pytest

from tests.hubs import Running
from tests.transports.raw_ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Peer, close, frame, padded, text

LIMIT = 64 * 1024


# -- 1: framing and sizes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [30, 125, 126, 127, 128, 65_535, LIMIT])
@pytest.mark.parametrize("chop", [LIMIT * 2, 997, 1], ids=["at once", "in 997 bytes", "in single bytes"])
async def test_1_texts_of_every_size_are_heard_however_they_are_cut_by_the_network(
    peer: Peer, size: int, chop: int
) -> None:
    data = text(padded(size))
    for at in range(0, len(data), chop):
        peer.send(data[at : at + chop])
        await asyncio.sleep(0)
    assert (await peer.hear("pong"))["id"] == size


async def test_1_an_empty_text_is_told_and_the_socket_lives(peer: Peer) -> None:
    peer.send(text(b""))
    assert (await peer.hear("error"))["error"]["code"] == "bad_request"
    await peer.is_heard()


async def test_1_byte_by_byte_with_pauses_is_slow_but_right(peer: Peer) -> None:
    for byte in text(padded(40), 10):
        peer.send(bytes((byte,)))
        await asyncio.sleep(0.002)
    assert (await peer.hear("pong"))["id"] == 40


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_536])
async def test_1_a_binary_message_is_a_bad_request(peer: Peer, size: int) -> None:
    peer.send(frame(BINARY, b"\xfe" * size))
    assert (await peer.hear("bye"))["reason"] == "bad_request"
    opcode, payload = await peer.receive()
    assert (opcode, payload[:2]) == (CLOSE, (4502).to_bytes(2))
    peer.send(close(4502))
    assert await peer.reader.read() == b""


@pytest.mark.parametrize("size", [LIMIT + 1, 1_000_000, 1 << 32, (1 << 63) - 1], ids=["+1", "1e6", "2^32", "2^63-1"])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_1_a_message_over_the_limit_is_refused_by_its_head(peer: Peer, size: int, opcode: int) -> None:
    peer.send(frame(opcode, b"x" * 100, size=size))
    assert await peer.ending() == 1009


async def test_1_a_sender_in_the_middle_of_too_much_reads_why(peer: Peer) -> None:
    """Closing over unread bytes resets a connection, and the peer then may never see the code."""
    peer.send(frame(TEXT, b"x" * 8_000_000))
    assert await peer.ending() == 1009


async def test_1_fragments_that_add_up_to_too_much_are_refused(peer: Peer) -> None:
    peer.send(frame(TEXT, b"x" * LIMIT, fin=False))
    await peer.is_alive()
    peer.send(frame(CONTINUATION, b"x"))
    assert await peer.ending() == 1009


@pytest.mark.parametrize(
    ("size", "size_bytes"), [(1 << 63, 8), ((1 << 64) - 1, 8), (5, 2), (125, 2), (5, 8), (65_535, 8), (0, 8)]
)
async def test_1_a_length_not_in_its_shortest_form_is_an_error(peer: Peer, size: int, size_bytes: int) -> None:
    peer.send(frame(TEXT, b"hello", size=size, size_bytes=size_bytes))
    assert await peer.ending() == 1002


# -- 2: pings and pongs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe\xfd", b"\xfe" * 125], ids=len)
async def test_2_a_ping_is_answered_with_its_payload(peer: Peer, payload: bytes) -> None:
    peer.send(frame(PING, payload))
    assert await peer.pong() == payload
    await peer.is_heard()


async def test_2_a_chopped_ping_is_answered(peer: Peer) -> None:
    for byte in frame(PING, b"\xfe" * 125):
        peer.send(bytes((byte,)))
        await asyncio.sleep(0)
    assert await peer.pong() == b"\xfe" * 125


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
@pytest.mark.parametrize(("size", "size_bytes"), [(126, 2), (65_536, 8), (5, 2), (1 << 62, 8)])
async def test_2_an_oversized_control_frame_is_an_error(peer: Peer, opcode: int, size: int, size_bytes: int) -> None:
    peer.send(frame(opcode, b"\xfe" * 126, size=size, size_bytes=size_bytes))
    assert await peer.ending() == 1002


@pytest.mark.parametrize("payload", [b"", b"unasked"])
async def test_2_an_unasked_pong_is_let_be(peer: Peer, payload: bytes) -> None:
    peer.send(frame(PONG, payload))
    await peer.is_alive()


async def test_2_pings_are_answered_in_order(peer: Peer) -> None:
    words = [f"ping {n}".encode() for n in range(1000)]
    peer.send(*(frame(PING, word) for word in words))
    assert [await peer.pong() for _ in words] == words


# -- 3 and 4: reserved bits and opcodes -------------------------------------------------------------------------------


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE, BINARY])
async def test_3_a_reserved_bit_is_an_error_as_no_extension_was_agreed_on(peer: Peer, rsv: int, opcode: int) -> None:
    """Bit 4 is permessage-deflate's."""
    peer.send(text(padded(40)), frame(opcode, b"hello", rsv=rsv), frame(PING))
    assert (await peer.hear("pong"))["id"] == 40, "what came before is answered"
    assert await peer.ending() == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"hello"])
async def test_4_a_reserved_opcode_is_an_error(peer: Peer, opcode: int, payload: bytes) -> None:
    peer.send(text(padded(40)), frame(opcode, payload), frame(PING))
    assert (await peer.hear("pong"))["id"] == 40
    assert await peer.ending() == 1002


# -- 5: fragmentation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
async def test_5_a_fragmented_control_frame_is_an_error(peer: Peer, opcode: int) -> None:
    peer.send(frame(opcode, b"", fin=False), frame(CONTINUATION, b""))
    assert await peer.ending() == 1002


@pytest.mark.parametrize("cuts", [(20,), (0, 0, 20, 40), (1, 2, 3), (40,)], ids=str)
async def test_5_a_text_in_fragments_is_one_text(peer: Peer, cuts: tuple[int, ...]) -> None:
    peer.send(text(padded(40), *cuts))
    assert (await peer.hear("pong"))["id"] == 40


async def test_5_control_frames_come_in_between(peer: Peer) -> None:
    data = padded(40)
    peer.send(frame(TEXT, data[:20], fin=False), frame(PING, b"between"))
    assert await peer.pong() == b"between"
    peer.send(frame(PONG), frame(CONTINUATION, data[20:]))
    assert (await peer.hear("pong"))["id"] == 40


@pytest.mark.parametrize("fin", [True, False])
async def test_5_a_continuation_of_nothing_is_an_error(peer: Peer, fin: bool) -> None:
    peer.send(frame(CONTINUATION, b"of nothing", fin=fin), text("hello"))
    assert await peer.ending() == 1002


async def test_5_a_continuation_after_a_whole_message_is_an_error(peer: Peer) -> None:
    peer.send(text(padded(40), 20), frame(CONTINUATION, b"too late"))
    assert (await peer.hear("pong"))["id"] == 40
    assert await peer.ending() == 1002


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_5_a_new_message_within_another_is_an_error(peer: Peer, opcode: int) -> None:
    peer.send(frame(TEXT, b"fragment", fin=False), frame(opcode, b"another"))
    assert await peer.ending() == 1002


async def test_5_a_request_in_60_000_fragments_is_heard_and_holds_up_nobody(hub: Running, peer: Peer) -> None:
    other = await Peer.connect(hub)
    await other.hear("snapshot")
    data = padded(60_000)
    peer.send(text(data, *range(1, len(data))))
    loop = asyncio.get_running_loop()
    heard = asyncio.create_task(peer.hear("pong"))
    longest_s = 0.0
    while not heard.done():
        began = loop.time()
        await asyncio.sleep(0)
        longest_s = max(longest_s, loop.time() - began)
    assert heard.result()["id"] == 60_000
    assert longest_s < 0.25, "one turn of the loop"
    await other.is_alive()
    other.leave()


async def test_5_empty_fragments_without_end_are_bounded_in_memory(hub: Running, peer: Peer) -> None:
    peer.send(frame(TEXT, b"", fin=False), *(frame(CONTINUATION, b"", fin=False) for _ in range(50_000)))
    await peer.is_alive()


# -- 8: masks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [frame(TEXT, padded(40), mask=None), frame(PING, mask=None), frame(CLOSE, mask=None)])
async def test_8_a_frame_without_a_mask_is_an_error(peer: Peer, data: bytes) -> None:
    peer.send(data)
    assert await peer.ending() == 1002


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x00\x01\x02\x03"], ids=bytes.hex)
async def test_8_any_mask_is_taken_off(peer: Peer, mask: bytes) -> None:
    peer.send(frame(TEXT, padded(41), mask=mask))
    assert (await peer.hear("pong"))["id"] == 41
