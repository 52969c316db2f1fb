"""How long jobs take and how often they succeed, by project and kind."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest
from hub.core.statistics import summary
from hub.web.assembly import Hub
from hub.web.keys import HUB
from hub.web.resources.filters import words

DAY_MS = 24 * 3600 * 1000
USUAL_DAYS, MOST_DAYS = 30.0, 3660.0
SHARE = 100
"""An answer is given again for so many times as long as it took: one hundredth of the time is spent on them."""
LONGEST_S = 600.0
MOST_KEPT = 20
"""Answers; one of a thousand projects has a megabyte."""

Answer = dict[str, Any]
Asked = tuple[str | None, str | None, float]
"""Project, kind and days."""


class Answers:
    """What was answered lately, and what is being computed: who asks the same waits for the same."""

    def __init__(self) -> None:
        self._kept: dict[Asked, tuple[float, Answer]] = {}
        """With the time until which it is given again, monotonic."""
        self._computing: dict[Asked, asyncio.Task[Answer]] = {}
        self._turn = asyncio.Lock()
        """Of what is asked of all projects: that may take half a minute, and two at once would take twice as long."""

    async def answer(self, hub: Hub, asked: Asked) -> Answer:
        """Raises JournalUnavailable. Cancelling is safe."""
        now = time.monotonic()
        self._kept = {each: kept for each, kept in self._kept.items() if kept[0] > now}
        if asked in self._kept:
            return self._kept[asked][1]
        task = self._computing.get(asked)
        if task is None:
            task = self._computing[asked] = asyncio.create_task(self._compute(hub, asked), name="statistics")
            task.add_done_callback(lambda done: self._done(asked, done))
        return await asyncio.shield(task)

    async def end(self) -> None:
        """Nobody waits any more."""
        tasks = list(self._computing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _compute(self, hub: Hub, asked: Asked) -> Answer:
        async with self._turn if asked[0] is None else contextlib.nullcontext():
            began = time.monotonic()
            answer = await _computed(hub, *asked)
            now = time.monotonic()
        self._kept[asked] = (now + min(SHARE * (now - began), LONGEST_S), answer)
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return answer

    def _done(self, asked: Asked, task: "asyncio.Task[Answer]") -> None:
        self._computing.pop(asked, None)
        if not task.cancelled():
            task.exception()  # those who asked may have gone


_ANSWERS = web.AppKey("STATISTICS", Answers)


async def statistics(request: web.Request) -> web.Response:
    """`?project=&kind=&days=`, of jobs that ended within so many days."""
    hub, query = request.app[HUB], request.query
    project, kind = words(query, "project"), words(query, "kind")
    if project is not None:
        hub.catalog.get(project)
    answer = await request.app[_ANSWERS].answer(hub, (project, kind, _days(query.get("days"))))
    return web.json_response(answer, headers={"Cache-Control": "no-store"})


async def _computed(hub: Hub, project: str | None, kind: str | None, days: float) -> Answer:
    now_ms = hub.clock.now_ms()
    since_ms = now_ms - round(days * DAY_MS)
    items = []
    for each_project, each_kind in await hub.journal.job_kinds(project, kind):
        if runs := await hub.journal.runs(each_project, each_kind, since_ms):
            items.append(await asyncio.to_thread(summary, each_project, each_kind, runs))
    return {"items": items, "total": len(items), "since": since_ms, "computed_at": now_ms}


def _days(text: str | None) -> float:
    try:
        days = float(text) if text is not None else USUAL_DAYS
    except ValueError:
        days = 0.0
    if not 0 < days <= MOST_DAYS:
        raise BadRequest(f"days must be a number of more than 0 and up to {MOST_DAYS:g}.")
    return days


def remember(app: web.Application) -> None:
    """Have a place for answers."""
    app[_ANSWERS] = Answers()
    app.cleanup_ctx.append(_computing)


async def _computing(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[_ANSWERS].end()
