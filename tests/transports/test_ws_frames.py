"""The frame reader by itself, against a second opinion, and however the network cuts what it reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import frames as theirs
from websockets.exceptions import ProtocolError

from hub.transports.frames import FrameReader, Opcode, Received, Violation, close_frame, read_close

LIMIT = 300
Outcome = tuple[list[Received], int | None]

parts = st.builds(
    theirs.Frame,
    opcode=st.sampled_from(theirs.Opcode),
    data=st.binary(max_size=130),
    fin=st.booleans(),
    rsv1=st.sampled_from([False] * 9 + [True]),
)
noise = st.binary(max_size=60)


def outcome(pieces: list[bytes]) -> Outcome:
    """What is read until the first violation or close frame, and the violation's code."""
    reader, got = FrameReader(LIMIT), []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (received := reader.read()) is not None:
                got.append(received)
                if received.opcode is Opcode.CLOSE:
                    read_close(received.payload)
                    return got, None
    except Violation as exc:
        return got, exc.code
    return got, None


def expected(frames: list[theirs.Frame]) -> Outcome:
    """RFC 6455, 5.4 and 5.5, said once more over whole frames."""
    got: list[Received] = []
    message: tuple[Opcode, bytes] | None = None
    for frame in frames:
        opcode, data = Opcode(int(frame.opcode)), bytes(frame.data)
        if frame.rsv1 or (opcode.is_control and (not frame.fin or len(data) > 125)):
            return got, 1002
        if opcode.is_control:
            got.append(Received(opcode, data))
            if opcode is Opcode.CLOSE:
                return got, _close_code(data)
            continue
        if (opcode is Opcode.CONTINUATION) != (message is not None):
            return got, 1002
        kind, before = message or (opcode, b"")
        if len(before + data) > LIMIT:
            return got, 1009
        message = (kind, before + data)
        if kind is Opcode.TEXT and not _may_be_text(before + data, whole=frame.fin):
            return got, 1007
        if frame.fin:
            got.append(Received(*message))
            message = None
    return got, None


def _close_code(data: bytes) -> int | None:
    try:
        if data:
            theirs.Close.parse(data[:2]).check()
        data[2:].decode()
    except ProtocolError:
        return 1002
    except UnicodeDecodeError:
        return 1007
    return None


def _may_be_text(data: bytes, *, whole: bool) -> bool:
    endings = (b"",) if whole else (b"", b"\x80", b"\xa0", b"\x90", b"\x80\x80", b"\xa0\x80", b"\x90\x80", b"\x80" * 3,
                                    b"\xa0\x80\x80", b"\x90\x80\x80")  # fmt: skip
    for ending in endings:
        try:
            (data + ending).decode()
        except UnicodeDecodeError:
            continue
        return True
    return False


def serialized(frames: list[theirs.Frame]) -> bytes:
    """Without its checks, which would refuse what is to be refused."""
    return b"".join(_masked(frame) for frame in frames)


def _masked(frame: theirs.Frame) -> bytes:
    whole = theirs.Frame(theirs.Opcode.BINARY, frame.data).serialize(mask=True)
    return bytes((frame.fin << 7 | frame.rsv1 << 6 | int(frame.opcode),)) + whole[1:]


@given(st.lists(parts, max_size=8))
def test_frames_are_read_as_the_rfc_says(frames: list[theirs.Frame]) -> None:
    assert outcome([serialized(frames)]) == expected(frames)


@given(st.lists(parts, max_size=5), noise, st.data())
def test_the_networks_cuts_change_nothing_but_how_early_a_violation_is_seen(
    frames: list[theirs.Frame], tail: bytes, data: st.DataObject
) -> None:
    stream = serialized(frames) + tail
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert outcome(pieces) == outcome([stream]) == outcome([stream[at : at + 1] for at in range(len(stream))])


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_message_may_be_as_long_as_the_limit_and_no_longer(size: int) -> None:
    frame = theirs.Frame(theirs.Opcode.TEXT, b"x" * size).serialize(mask=True)
    reader = FrameReader(size)
    reader.feed(frame)
    assert reader.read() == Received(Opcode.TEXT, b"x" * size)
    if size:
        shorter = FrameReader(size - 1)
        shorter.feed(frame)
        with pytest.raises(Violation):
            shorter.read()


def test_a_close_frame_of_ours_fits_whatever_the_reason() -> None:
    assert len(close_frame(1009, "x" * 500)) == 2 + 125
