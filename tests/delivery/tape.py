"""A whole connection on tape: every byte as it came, what each byte belongs to, and what is known after each."""

import asyncio
import re
from collections.abc import Iterator

from tests.conftest import until
from tests.delivery.account import Account
from tests.delivery.session import is_over, play
from tests.delivery.watcher import connected
from tests.delivery.wire import STREAMS, Wire, request
from tests.hubs import Running

EVENTS = "/api/v1/projects/p/events"


class Tape:
    def __init__(self, transport: str) -> None:
        self.transport = transport
        self.data = b""
        self.account = Account()
        self._wire = Wire(transport)

    async def record(self, port: int) -> None:
        async with connected(port, request(self.transport, EVENTS)) as reader:
            while not is_over(self.account):
                data = await reader.read(65536)
                assert data, "the stream ended early"
                self.data += data
                for message, event_id in self._wire.feed(data):
                    self.account.take(message, event_id)

    def cursors(self) -> Iterator[tuple[int, str | None]]:
        """Each offset, and the cursor of who has received exactly so many bytes."""
        wire, account = Wire(self.transport), Account()
        yield 0, None
        for offset, byte in enumerate(self.data, 1):
            for message, event_id in wire.feed(bytes((byte,))):
                account.take(message, event_id)
            yield offset, account.cursor

    def before(self, offset: int) -> Account:
        """What is known after `offset` bytes."""
        wire, account = Wire(self.transport), Account()
        for message, event_id in wire.feed(self.data[:offset]):
            account.take(message, event_id)
        return account

    def kinds(self) -> dict[str, list[int]]:
        """By name of what they cut in two, the offsets that cut it."""
        head = self.data.index(b"\r\n\r\n") + 4
        lines = [match.span() for match in re.finditer(rb"^id: [^\n]*\n", self.data, re.MULTILINE)]
        frames = list(self._frame_heads(head)) if self.transport == "ws" else []
        chunks = list(self._chunk_heads(head)) if self.transport == "sse" else []
        inside = {
            "head": [*range(1, head)],
            "frame header": [at for start, end in frames for at in range(start + 1, end)],
            "chunk header": [at for start, end in chunks for at in range(start + 1, end)],
            "id line": [at for start, end in lines for at in range(start + 1, end)],
        }
        taken = {at for offsets in inside.values() for at in offsets} | {end for _, end in frames}
        letters = [at for at in range(head, len(self.data)) if self.data[at] & 0xC0 == 0x80 and at not in taken]
        starts = {start for start, _ in frames}
        inside["letter"] = [at for at in letters if at not in starts]
        return {name: offsets for name, offsets in inside.items() if offsets}

    def _frame_heads(self, at: int) -> Iterator[tuple[int, int]]:
        while at < len(self.data):
            short, start = self.data[at + 1], at + 2
            end = start + (0 if short < 126 else 2 if short == 126 else 8)
            size = short if short < 126 else int.from_bytes(self.data[start:end])
            yield at, end
            at = end + size

    def _chunk_heads(self, at: int) -> Iterator[tuple[int, int]]:
        while at < len(self.data):
            end = self.data.index(b"\r\n", at) + 2
            yield at, end
            at = end + int(self.data[at : end - 2], 16) + 2


async def recorded(hub: Running, watchers: int = 0) -> list[Tape]:
    """Play the session with each streaming transport on tape, once `watchers` others are there, too."""
    tapes = [Tape(transport) for transport in STREAMS]
    port = int(hub.url.rpartition(":")[2])
    tasks = [asyncio.create_task(tape.record(port)) for tape in tapes]
    await until(lambda: hub.hub.tracker.watchers_of("p") >= len(tapes) + watchers, 20)

    async def all_have_it() -> None:
        head = hub.hub.tracker.channel("p").head
        await until(lambda: all(tape.account.seq == head for tape in tapes))

    await play(hub, all_have_it)
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    return tapes
