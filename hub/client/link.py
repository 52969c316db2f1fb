"""One watch: the ladder of transports, the place in the numbering, and when to come back."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from hub.client.errors import HubRefused
from hub.client.rungs import RUNGS, Ask, Blocked, Ended, Lost
from hub.core.events import ENDS, Position

LOST = (aiohttp.ClientError, OSError, ValueError)  # TimeoutError is an OSError; ValueError: what came is no JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times, in seconds."""

    first_message_s: float = 3.0
    """A connection that says nothing for so long at its start is one that something holds back."""
    silent_beats: float = 2.5
    """Heartbeats that may be missed."""
    shortest_s: float = 0.5
    longest_s: float = 20.0
    """Pauses before coming back are random, up to a bound that doubles from the one to the other."""
    healthy_s: float = 10.0
    """A connection that held for so long makes the next pause a short one again."""
    climb_s: float = 300.0
    """How long a lower rung is used before the best one gets another try."""

    def bound_s(self, failures: int) -> float:
        """The longest that the next pause may be."""
        return min(self.longest_s, self.shortest_s * 2.0 ** min(failures, 100))  # further doublings would overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How the connection does."""

    transport: str
    live: bool
    retry_s: float | None = None
    """Until the next try; None while live."""
    why: str = ""


class Gap(Exception):
    """A number is missing that nothing accounts for."""


class Place:
    """Where a watcher is in a project's numbering, which is what makes coming back exact."""

    def __init__(self, project: str, cursor: str | None) -> None:
        self._project = project
        self._epoch = ""
        self._at = Position.parse(cursor or "")
        self.cursor = cursor

    def take(self, message: Mapping[str, Any]) -> bool:
        """Move to where `message` leads; False when it is to be dropped. Raises Gap."""
        match message:
            case {"type": "hello", "epoch": str(epoch)}:
                self._epoch = epoch
                return False
            case {"type": "heartbeat"}:
                told = Position.parse(message.get("cursors", {}).get(self._project, ""))
                if told and self._at and told.epoch == self._at.epoch and told.seq > self._at.seq:
                    raise Gap
                return False
            case {"type": "snapshot", "cursor": str(cursor)}:
                self._at, self.cursor = Position.parse(cursor), cursor
                return True
            case {"type": "merged", "upto": int(upto)}:
                return self._move(upto)
            case {"seq": int(seq)}:
                if self._at is None or seq > self._at.seq + 1:
                    raise Gap
                return self._move(seq)
        return True

    def _move(self, seq: int) -> bool:
        if self._at is None or seq <= self._at.seq:
            return False
        self._at = replace(self._at, epoch=self._epoch or self._at.epoch, seq=seq)
        self.cursor = str(self._at)
        return True


class Watch:
    """The messages about `project`, or about its `job` until that ends."""

    def __init__(self, ask: Ask, job: str | None, pace: Pace, on_link: Callable[[Link], None] | None = None) -> None:
        self._ask = ask
        self._job = job
        self._pace = pace
        self._on_link = on_link or (lambda link: None)
        self._place = Place(ask.project, ask.cursor)
        self._rung = 0
        self._failures = 0
        self._began = self._left_top = 0.0
        self._over = False
        self._why = ""
        self._pause_s: float | None = None
        """Before the next connection; None: as the backoff says."""

    async def messages(self) -> AsyncGenerator[dict[str, Any], None]:
        while True:
            async with aclosing(self._connection()) as connection:
                async for message in connection:
                    yield message
            if self._over:
                return
            await self._rest()

    async def _connection(self) -> AsyncGenerator[dict[str, Any], None]:
        """One connection's messages. Leaves `_over`, or why and for how long to pause."""
        if self._may_climb():
            self._rung = 0
        self._why, self._pause_s = "the connection ended", None
        self._ask.patience_s = self._pace.first_message_s
        self._began, proved = time.monotonic(), False
        try:
            async with aclosing(RUNGS[self._rung].messages(self._ask)) as incoming:
                async for message in incoming:
                    self._hear(message)
                    proved = proved or message["type"] != "hello"  # a proxy may let one message through and no more
                    if self._place.take(message):
                        self._ask.cursor = self._place.cursor
                        self._over = self._is_end(message)
                        yield message
                    if self._over or self._is_leaving(message):
                        return
        except Ended:
            self._over = True
        except Blocked as exc:
            self._why = str(exc)
            self._step_down(exc.retry_s)
            return
        except Lost:
            self._why, self._ask.cursor = "messages were missing", None
            return
        except Gap:
            self._why = "a message was missing"
        except LOST as exc:
            self._why = str(exc) or "nothing was heard"
        if not proved and self._pause_s is None and not self._over:
            await self._blocked_or_down()

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Whatever came, the connection lives."""
        self._on_link(Link(transport=RUNGS[self._rung].name, live=True))
        if message["type"] == "hello":
            self._ask.patience_s = self._pace.silent_beats * message["heartbeat_s"]

    def _is_end(self, message: Mapping[str, Any]) -> bool:
        if self._job is None:
            return False
        if message["type"] == "snapshot":
            return any(job["id"] == self._job and job["state"] in ENDS for job in message["jobs"])
        return message["type"] == "job" and message["job"] == self._job and message["state"] in ENDS

    def _is_leaving(self, message: Mapping[str, Any]) -> bool:
        """Is this connection to be given up after `message`? Raises HubRefused after a `bye` for good."""
        if message["type"] == "bye":
            self._why = f"the hub said {message['reason']}"
            self._pause_s = message["reconnect_ms"] / 1000
            self._over = not message["retry"]
            if self._over and message["reason"] != "done":
                raise HubRefused(f"The hub ended the stream: {message['reason']}.", code=message["reason"])
            return True
        if self._may_climb():
            self._pause_s = 0.0
            return True
        return False

    def _may_climb(self) -> bool:
        return self._rung > 0 and time.monotonic() - self._left_top > self._pace.climb_s

    async def _blocked_or_down(self) -> None:
        """A connection that fails does not say which; the hub's health does."""
        if await self._ask.is_healthy() and await self._ask.is_healthy():
            self._step_down()
        else:
            self._rung = 0  # when the hub is back, every way may be open

    def _step_down(self, retry_s: float | None = None) -> None:
        if self._rung == 0:
            self._left_top = time.monotonic()
        if self._rung + 1 < len(RUNGS):
            self._rung, self._pause_s = self._rung + 1, 0.0
        elif retry_s is not None:
            self._pause_s = max(retry_s, self._pace.shortest_s)
        else:
            self._ask.wait_s = max(self._ask.wait_s / 2, 1.0)  # something cuts answers that take long

    @property
    def _lasted_s(self) -> float:
        return time.monotonic() - self._began

    async def _rest(self) -> None:
        if self._lasted_s > self._pace.healthy_s:
            self._failures = 0
        if self._pause_s is None:
            # Full jitter, so that watchers do not come back in step.
            self._pause_s = random.uniform(0, self._pace.bound_s(self._failures))  # noqa: S311
            self._failures += 1
        if self._pause_s:
            self._on_link(Link(transport=RUNGS[self._rung].name, live=False, retry_s=self._pause_s, why=self._why))
            await asyncio.sleep(self._pause_s)
