"""Polling and long polling: finite answers, which pass every proxy. The ETag is the cursor."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from hub.core.composition import View
from hub.core.events import Event, State
from hub.core.messages import Merged, Message, Reset, Snapshot
from hub.transports.ask import MAX_WAIT_S, Ask, seconds
from hub.transports.encodings import SSE, text
from hub.transports.replay import has_nothing_left, replay
from hub.transports.stream import Delivery

MAX_MESSAGES = 5000
"""In one answer; who is further behind than that asks again, with the cursor of the first part."""
RUNNING_S, WAITING_S, IDLE_S = 1, 2, 10
"""`Retry-After` while something moves, while something only waits, and when there is nothing to wait for."""


async def serve_poll(request: web.Request, delivery: Delivery, ask: Ask) -> web.Response:
    """One answer that is enough to be right: a snapshot, or what came after the cursor. Raises NotFound, BadRequest."""
    wait_s = seconds(request.query, "wait", MAX_WAIT_S) if request.method == "GET" else 0.0
    tags = {tag.value for tag in request.if_none_match or ()}
    cursor = ask.cursor
    if delivery.tracker.waiting_count >= delivery.max_watchers:
        wait_s = 0.0  # the answer is as right as it would be later, and Retry-After says when to ask again
    deadline = asyncio.get_running_loop().time() + wait_s
    merged: list[Message] = []
    tracker, journal, view = delivery.tracker, delivery.journal, view_of(ask)
    while True:
        changed = asyncio.Event()
        stop = tracker.wait(ask.project, view, changed.set)
        try:
            messages, now = await look(delivery, ask, cursor, tags)
            if messages and isinstance(messages[0], Reset):
                merged.clear()  # what was moved over before is in the snapshot
            if cursor is not None and all(isinstance(message, Merged) for message in messages):
                merged += messages  # the cursor moves over what was not asked for, but that is no news
                messages, cursor = [], now
            left_s = deadline - asyncio.get_running_loop().time()
            is_over = left_s <= 0 or tracker.is_draining
            if messages or is_over or await has_nothing_left(tracker, journal, ask.project, ask.cursor, view):
                break
            try:
                async with asyncio.timeout(left_s):
                    await changed.wait()
            except TimeoutError:
                deadline = 0.0
        finally:
            stop()
    headers = {
        "ETag": f'W/"{now}"',  # weak: how many watch a job is in its state, and is no news
        "Cache-Control": "no-store",
        "Retry-After": str(retry_after(delivery, ask)),
        "Vary": "Accept",
    }
    if now in tags or ("*" in tags and not messages):
        return web.Response(status=304, headers=headers)
    body = text(answer([*merged, *messages], now))
    return web.Response(body=body, content_type="application/json", charset="utf-8", headers=headers)


def view_of(ask: Ask) -> View:
    return ask.key(SSE, closes=False).view


async def look(delivery: Delivery, ask: Ask, cursor: str | None, tags: set[str]) -> tuple[Sequence[Message], str]:
    """What there is after `cursor`, and the cursor after that.

    Without a cursor that is a snapshot, unless the caller has the present one, as its `tags` tell.
    """
    if ask.project is None:
        return look_at_feed(delivery, cursor, tags, ask.projects)
    project, tracker = ask.project, delivery.tracker
    now = str(tracker.channel(project).position)
    if cursor is None and tags & {now, "*"}:
        return [], now
    messages: list[Message] = []
    async with contextlib.aclosing(replay(tracker, delivery.journal, project, cursor, view_of(ask))) as parts:
        async for part in parts:
            if part.messages and isinstance(part.messages[0], Reset):
                messages.clear()
            messages += part.messages
            now = f"{tracker.epoch}-{part.told[project]}"
            if len(messages) >= MAX_MESSAGES:
                break
    return messages, now


def look_at_feed(
    delivery: Delivery, cursor: str | None, tags: set[str], projects: frozenset[str] | None = None
) -> tuple[Sequence[Message], str]:
    now = str(delivery.tracker.feed_position)
    if cursor == now or (cursor is None and tags & {now, "*"}):
        return [], now
    return delivery.tracker.feed_snapshot(projects).messages, now


def answer(messages: Sequence[Message], cursor: str) -> dict[str, Any]:
    """The JSON body. `merged` is how many numbers up to the cursor were merged into what is here."""
    body: dict[str, Any] = {"cursor": cursor, "events": []}
    for message in messages:
        if isinstance(message, Event):
            body["events"].append(message.to_wire())
        elif isinstance(message, Snapshot):
            body["snapshot"] = message.to_wire()
        elif isinstance(message, Reset):
            body["reset"] = message.to_wire()
        elif isinstance(message, Merged):
            body["merged"] = body.get("merged", 0) + message.count
    return body


def retry_after(delivery: Delivery, ask: Ask) -> int:
    """Whole seconds until asking again is worth it, by how fast things move: half as long as nothing has moved yet."""
    tracker = delivery.tracker
    jobs = tracker.live_jobs() if ask.project is None else tracker.channel(ask.project).live_jobs()
    jobs = [job for job in jobs if ask.projects is None or job.project in ask.projects]
    if not jobs:
        return IDLE_S
    if not any(job.state in {State.RUNNING, State.CANCELLING} for job in jobs):
        return WAITING_S
    newest_ms = max(max(job.progress_at, job.started or 0) for job in jobs)
    return min(max((delivery.now_ms() - newest_ms) // 2000, RUNNING_S), IDLE_S)
