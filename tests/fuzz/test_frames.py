"""WebSocket frames that make no sense: the hub answers or closes as RFC 6455 has it, and nobody else notices."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract_api.conformance import of_schema
from tests.fuzz import nasty
from tests.fuzz.test_requests import usual
from tests.fuzz.under_fire import PATIENCE_S, TIMES, Fire, under_fire
from tests.transports import raw_ws

AT_ONCE = 6
"""Conversations of one example, one after the other."""
EOF_S = 0.5
CLOSES = {1000, 1002, 1003, 1007, 1009, 4002, 4501, 4502, 4503}
MESSAGE = json.dumps({"$ref": "#/components/schemas/WebSocketMessage"})
PROJECTS = ("code", "training", "repo", "code", "training", "repo", "all", "none", "", None, 5, "\0", "x" * 5000)

ops = st.fixed_dictionaries(
    {"op": st.sampled_from(["subscribe"] * 4 + ["unsubscribe", "ping", "ping", "x", None, 5, {}])},
    optional={
        "id": st.sampled_from([1, "i" * 64, None, 10**400, "i" * 65]) | nasty.leaves,
        "project": st.sampled_from(PROJECTS),
        "since": st.sampled_from(nasty.CURSORS), "job": st.sampled_from(["run-7", "none", 5, None, ""]),
        "min_interval_ms": st.sampled_from([0, 60_000]) | nasty.leaves, "logs": st.booleans() | nasty.leaves,
        "zz": nasty.values,
    },
)  # fmt: skip
asked = ops.map(lambda op: json.dumps(op).encode("utf-8", "surrogatepass"))
words = st.one_of(
    asked,
    asked,
    asked,
    asked,
    st.sampled_from(nasty.RAW_BODIES),
    nasty.values.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=50),
    st.sampled_from([b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x92", b"a" * 70_000, b""]),
)
whole = st.builds(
    lambda text, cuts: raw_ws.text(text, *sorted(min(cut, len(text)) for cut in cuts)),
    words,
    st.lists(st.integers(0, 60), max_size=2),
)
single = st.builds(
    lambda opcode, payload, fin, rsv, masked, lie: raw_ws.frame(
        opcode, payload, fin=fin, rsv=rsv, mask=raw_ws.MASK if masked else None,
        size=len(payload) + lie if lie else None
    ),
    st.sampled_from([0, 1, 1, 1, 2, 3, 8, 9, 10, 11, 15]), words, st.booleans(), st.sampled_from([0, 0, 0, 0, 1, 4]),
    st.sampled_from([True] * 8 + [False]),
    st.sampled_from([0] * 8 + [1, 100]),
)  # fmt: skip
controls = st.builds(
    raw_ws.frame,
    st.sampled_from([raw_ws.PING, raw_ws.PONG, raw_ws.CLOSE]),
    st.binary(max_size=130),
)
polite = [raw_ws.text('{"op":"ping","id":"first"}'), raw_ws.text('{"op":"subscribe","id":1,"project":"code"}')]
conversations = st.builds(
    lambda begin, frames: polite * begin + frames,
    st.booleans(),
    st.lists(st.one_of(*[whole] * 8, controls, single), min_size=1, max_size=8),
)
ADDRESSES = (
    "/api/v1/events",
    "/api/v1/projects/training/events",
    "/api/v1/projects/repo/events?min_interval_ms=50",
    "/api/v1/projects/code/events?since=5f0c1a2b-1",
)


async def talk(fire: Fire, address: str, frames: list[bytes], told: Counter[str]) -> None:
    """Says all of it, then closes; what comes back is right, and ends."""
    said = f"{address} {frames!r}"[:1500]
    peer = await raw_ws.Peer.connect(fire.hub, address, Authorization=f"Bearer {fire.hub.token}")
    assert peer.status == 101, peer.head
    try:
        async with asyncio.timeout(PATIENCE_S):
            try:
                for frame in frames:
                    peer.send(frame)
                peer.send(raw_ws.close(1000))
                await peer.writer.drain()
            except ConnectionError:  # it closed already
                pass
            # What a frame announced and did not bring is waited for, with our close taken for a part of it.
            asyncio.get_running_loop().call_later(EOF_S, leave, peer.writer)
            async for opcode, payload in received(peer.reader):
                if opcode == raw_ws.TEXT:
                    message = json.loads(payload)
                    of_schema(MESSAGE).validate(message)
                    told[message["type"]] += 1
                elif opcode == raw_ws.CLOSE:
                    code = int.from_bytes(payload[:2]) if payload else 1000
                    told[str(code)] += 1
                    is_echo = any(frame[:1] == b"\x88" for frame in frames)
                    assert code in CLOSES or is_echo, f"{code} after {said}"
    except TimeoutError:
        raise AssertionError(f"not over: {said}") from None
    finally:
        peer.writer.transport.abort()
    assert not fire.heard.records, f"{fire.heard.records[0]} after {said}"


def leave(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        writer.write_eof()


async def received(reader: asyncio.StreamReader) -> Any:
    """The hub's frames, to the end of the connection."""
    while True:
        try:
            head = await reader.readexactly(2)
            size = head[1] & 0x7F
            assert not head[1] & 0x80, "a server masks nothing"
            if size > 125:
                size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
            yield head[0] & 0x0F, await reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return


async def converse(fire: Fire, conversations: list[tuple[str, list[bytes]]], told: Counter[str]) -> None:
    for address, frames in conversations:
        await talk(fire, address, frames, told)
    await fire.publish()


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.timeout(240 * TIMES)
def test_whatever_a_socket_hears_it_stays_polite(tmp_path: Path) -> None:
    told: Counter[str] = Counter()
    with asyncio.Runner() as runner:
        context = under_fire(tmp_path)
        fire = runner.run(context.__aenter__())
        many = st.lists(st.tuples(st.sampled_from(ADDRESSES), conversations), min_size=AT_ONCE, max_size=AT_ONCE)

        @usual(40)
        @given(many)
        def check(found: list[tuple[str, list[bytes]]]) -> None:
            runner.run(converse(fire, found, told))

        try:
            check()
        finally:
            runner.run(context.__aexit__(*sys.exc_info()))
    print(f"told: {dict(told.most_common())}")
    assert {"hello", "snapshot", "error", "subscribed", "pong", "1002", "1007", "4502"} <= set(told)
