"""A reader of event streams by the HTML standard, strict about what every surface promises."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Heard:
    event: str | None
    data: dict[str, Any]
    id: str


async def heard(response: aiohttp.ClientResponse) -> AsyncIterator[Heard]:
    """Its events, to the end of the stream."""
    assert response.status == 200, await response.text()
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    block: dict[str, str] = {}
    async for raw in response.content:
        assert raw.endswith(b"\n"), "a stream ends after a whole event"
        assert not raw.endswith(b"\r\n")
        line = raw.decode()[:-1]
        if line.startswith(":"):
            assert line == ": keep-alive"
        elif line:
            name, _, value = line.partition(": ")
            assert name in {"event", "data", "id"}
            assert name not in block, "one line of each in an event"
            block[name] = value
        elif block:
            yield Heard(block.get("event"), json.loads(block["data"]), block["id"])
            block = {}
    assert not block


async def all_heard(response: aiohttp.ClientResponse) -> list[Heard]:
    return [one async for one in heard(response)]
