"""One run of one job: what its child says becomes events, and it ends exactly once, whatever happens."""

import asyncio
import dataclasses
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from hub.core.events import Body, Failure, JobBody, LogBody, State
from hub.core.progress import Meter
from hub.jobs.base import Kind, Place, Rules
from hub.jobs.folders import Folders, Kept
from hub.jobs.orders import Order, interrupted
from hub.jobs.process import Child
from hub.jobs.stall import Stall, Stopwatch

log = logging.getLogger(__name__)

KILL_AFTER_S = 1.0
"""A cancelled child has this long to stop by itself; with the cleaning, cancel then takes less than 2 s."""

FAILED_HINT = "Retry; if it happens again, the hub's log has the details."
NO_ROOM = frozenset({"disk_full", "project_full"})
"""Failures after which work is not kept: it is what fills the disk."""


class Run:
    """`execute` is the run's task; it returns when the job has ended and its work folder is out of the way.

    That the job runs, or is paused, is told by whoever decides it.
    """

    def __init__(
        self,
        order: Order,
        places: Sequence[Place],
        folders: Folders,
        rules: Rules,
        publish: Callable[[Order, Body], None],
    ) -> None:
        self.order = order
        self._places = places
        self._folders = folders
        self._rules = rules
        self._publish = publish
        self._workspace = folders.workspace(order.id, order.target.id)
        self._kept = Kept(job=order.id, project=order.target.id, kind=order.kind.name)
        self._stopwatch = Stopwatch()
        self._meter = Meter(order.body.plan, started=0.0, usual_s=order.body.usual_s)
        self._stall = Stall(order.kind.stall_s, self._stopwatch, on_quiet=self._tell_quiet, on_stalled=self._give_up)
        self._child: Child | None = None
        self._stopping: State | None = None
        self._killer: asyncio.TimerHandle | None = None
        self._has_stalled = False
        self._is_over = False
        self.end: JobBody | None = None
        """As it was told; None before."""
        self._going = asyncio.Event()
        self._going.set()

    @property
    def is_stopping(self) -> bool:
        return self._stopping is not None

    @property
    def is_held(self) -> bool:
        """It has no place among those that run."""
        return not self._going.is_set()

    @property
    def is_over(self) -> bool:
        """Its child has ended, and the end of the job is about to be told."""
        return self._is_over

    @property
    def child_pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def execute(self, take: Callable[[], Awaitable[Child]]) -> None:
        """`take` gives a child that waits for a task."""
        end = self._crashed("The job's process could not be started.")
        try:
            is_resumed = await asyncio.to_thread(self._open)
            self._child = await take()
            if self.is_held:
                self._child.pause(self._workspace.work)
            end = await self._follow(self._child, is_resumed) if self._stopping is None else self._stopped()
        except Exception as exc:
            log.exception("a run broke", extra={"action": "run_broke", "job": self.order.id})
            end = self._crashed(f"The hub could not run the job: {exc}")
        finally:
            self._is_over = True
            self._stall.stop()
            try:
                end = await asyncio.shield(self._clean(end))
            except Exception:  # whatever is left behind, the job has ended
                log.exception("a run could not be cleaned up", extra={"action": "clean_failed", "job": self.order.id})
            finally:
                self._tell(end)

    def _tell(self, end: JobBody) -> None:
        """Whatever a child said of its end, the job ends."""
        try:
            self._publish(self.order, end)
        except Exception:
            log.exception("an end could not be told", extra={"action": "end_broke", "job": self.order.id})
            end = self._crashed("How the job ended cannot be told; the hub's log has the details.")
            self._publish(self.order, end)
        self.end = end

    def stop(self, state: State) -> None:
        """Have the run end as `state` (cancelled or interrupted): ask the child, then kill it."""
        if self._stopping is not None:
            return
        self._stopping = state
        if self._child is not None and self._child.is_alive:
            self._child.send("cancel")
            self._killer = asyncio.get_running_loop().call_later(KILL_AFTER_S, self._child.kill)
        self.resume()  # a stopped process can't hear

    def pause(self) -> None:
        """Have everything of the run stand still. Raises OSError when that cannot be done."""
        if self._child is not None:
            self._child.pause(self._workspace.work)
        self._going.clear()
        self._stopwatch.stop()
        self._stall.stop()

    def resume(self) -> None:
        if self._going.is_set():
            return
        self._going.set()
        self._stopwatch.go()
        if self._child is not None:
            self._child.resume()
            if self._stopping is None and not self._is_over:
                self._stall.start()

    def _open(self) -> bool:
        """Whether the run goes on with kept work."""
        resumed = self.order.body.retry_of if self.order.body.resumed else None
        return self._folders.open(self._workspace, self._kept, resumed=resumed)

    async def _follow(self, child: Child, is_resumed: bool) -> JobBody:
        child.send(self._task(is_resumed))
        if self.order.body.resumed and not is_resumed:
            gone = "The work of the earlier run is not kept any more: this one begins at the start."
            self._publish(self.order, LogBody(level="warning", message=gone))
        last: Mapping[str, Any] = {}
        if not self.is_held:
            self._stall.start()
        try:
            async for said in child.lines():
                await self._may_hear(child)
                last = said
                self._hear(said)
        except ValueError as exc:
            child.kill()
            last = {"failed": {"code": "crashed", "message": f"The job's process broke its protocol: {exc}"}}
        code = await child.gone()
        return self._end(last, code, child)

    async def _may_hear(self, child: Child) -> None:
        """What was said just before a pause is heard after it, or when the child dies meanwhile."""
        if self.is_held:
            waits = {asyncio.ensure_future(self._going.wait()), asyncio.ensure_future(child.exited())}
            _, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in left:
                wait.cancel()

    def _task(self, is_resumed: bool) -> dict[str, Any]:
        order = self.order
        return {
            "job": order.id,
            "kind": order.kind.name,
            "target": dataclasses.asdict(order.target),
            "params": dict(order.body.params),
            "secrets": {**inherited(order.kind), **order.secrets},
            "workspace": {"work": str(self._workspace.work), "home": str(self._workspace.home)},
            "rules": dataclasses.asdict(self._rules),
            "places": [{"target": dataclasses.asdict(place.target), "home": str(place.home)} for place in self._places],
            "resumed": is_resumed,
        }

    def _hear(self, said: Mapping[str, Any]) -> None:
        if "progress" in said:
            self._stall.hear_progress(said["progress"])
            body = self._meter.advance(self._stopwatch.seconds(), **said["progress"])
            quiet_s = self._stall.quiet_s()
            self._publish(self.order, body if quiet_s is None else self._meter.still(quiet_s))
        elif "stage" in said:
            self._stall.hear_stage()
            if (done := self._meter.reach(said["stage"])) is not None:
                self._publish(self.order, done)
            self._publish(self.order, self._meter.enter(said["stage"]))
        elif "log" in said:
            self._stall.hear_log(said["log"]["message"])
            self._publish(self.order, LogBody(**said["log"], stage=self._stage))

    def _tell_quiet(self, quiet_s: float) -> None:
        self._publish(self.order, self._meter.still(quiet_s))

    def _give_up(self) -> None:
        self._has_stalled = True
        if self._child is not None:
            self._child.kill()

    def _end(self, last: Mapping[str, Any], code: int, child: Child) -> JobBody:
        if isinstance(last.get("result"), dict):
            return self.order.became(State.SUCCEEDED, result=last["result"])
        if self._stopping is not None:
            return self._stopped()
        if self._has_stalled:
            return self._stalled()
        if is_failure(last.get("failed")):
            if child.last_words:
                extra = {"action": "child_failed", "job": self.order.id}
                log.warning("a child failed: %s", child.last_words, extra=extra)
            return self._failed(**last["failed"])
        if "result" in last or "failed" in last:
            return self._crashed("The job's process broke its protocol: what it said of its end makes no sense.")
        extra = {"action": "child_died", "job": self.order.id}
        log.error("a child died with %s: %s", code, child.last_words, extra=extra)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return self._crashed(f"The job's process {how}.")

    @property
    def _stage(self) -> str | None:
        return self._meter.stage.name if self._meter.stage else None

    def _failed(self, code: str, message: str, hint: str | None = None, retry: bool = False) -> JobBody:
        error = Failure(code=code, message=message, hint=hint, retry=retry, stage=self._stage)
        return self.order.became(State.FAILED, error=error)

    def _crashed(self, message: str) -> JobBody:
        return self._failed("crashed", message, FAILED_HINT, retry=True)

    def _stalled(self) -> JobBody:
        message = f"Nothing has moved for {self.order.kind.stall_s:g} seconds, so the job was stopped."
        return self._failed("stalled", message, "The other side may be overloaded: retry later.", retry=True)

    def _stopped(self) -> JobBody:
        assert self._stopping is not None
        error = interrupted(self._stage) if self._stopping is State.INTERRUPTED else None
        return self.order.became(self._stopping, error=error)

    async def _clean(self, end: JobBody) -> JobBody:
        """The end, with what became of the work."""
        if self._killer is not None:
            self._killer.cancel()
        if self._child is not None and self._child.is_alive:
            self._child.kill()
            await self._child.gone()
        if self._killer is not None:  # stopped in the meantime, too late to matter
            self._killer.cancel()
        is_kept = await asyncio.to_thread(self._put_away, end)
        return dataclasses.replace(end, resumable=is_kept)

    def _put_away(self, end: JobBody) -> bool:
        may_go_on = end.state is State.INTERRUPTED or (end.error is not None and end.error.code not in NO_ROOM)
        if self.order.kind.keeps_work and may_go_on and self._folders.keep(self._kept):
            return True
        self._folders.discard(self.order.id)
        return False


def inherited(kind: Kind) -> dict[str, str]:
    """What a kind is told of the hub's environment: the operator's secrets, which are no job's parameters."""
    return {name: os.environ[name] for name in kind.environment if os.environ.get(name)}


def is_failure(said: Any) -> bool:
    """Is this what a child may say of how it failed?"""
    if not isinstance(said, dict) or set(said) - {"code", "message", "hint", "retry"}:
        return False
    texts = (said.get("code"), said.get("message"), said.get("hint") or "")
    return all(isinstance(text, str) for text in texts) and isinstance(said.get("retry", False), bool)
