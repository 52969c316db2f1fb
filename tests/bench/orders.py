"""A Python peer's side of the talk: it obeys the lines of `tests.bench.peer` on its input."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Coroutine
from typing import Any, Protocol


class Publisher(Protocol):
    """What a peer does when it is told to."""

    def watchers(self) -> int:
        """How many are subscribed by now."""

    async def burst(self, events: int, burst: int) -> None:
        """Publish so many, `burst` to a turn of the loop."""

    def one(self) -> None:
        """Publish one, waiting for nothing."""

    def state(self) -> dict[str, Any]:
        """What it has to say of itself."""


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def obey(publisher: Publisher) -> None:
    """Until the input ends."""
    orders: asyncio.Queue[list[str] | None] = asyncio.Queue()
    loop, rest = asyncio.get_running_loop(), b""

    def take() -> None:
        nonlocal rest
        data = os.read(0, 65536)
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line == b"one":  # on the spot: how late it comes is what is measured
                publisher.one()
            else:
                orders.put_nowait(line.decode().split())
        if not data:
            loop.remove_reader(0)
            orders.put_nowait(None)

    loop.add_reader(0, take)
    while (order := await orders.get()) is not None:
        match order:
            case ["wait", count]:
                while publisher.watchers() < int(count):
                    await asyncio.sleep(0.02)
                say(watchers=publisher.watchers())
            case ["burst", events, burst]:
                began_ns = time.monotonic_ns()
                await publisher.burst(int(events), int(burst))
                say(began_ns=began_ns)
            case ["state"]:
                say(**publisher.state())
            case _:
                raise ValueError(f"no order: {order}")


def run(main: Coroutine[Any, Any, None], loop: str) -> None:
    """On `uvloop` where it is installed, as the hub itself does, or on `asyncio`'s own loop."""
    if loop == "uvloop":
        try:
            import uvloop  # noqa: PLC0415 - a choice, not a need
        except ImportError:
            print("uvloop is not installed: measured on asyncio's own loop", file=sys.stderr)
        else:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(main)
    return asyncio.run(main)
