"""One run of one job: what its child says becomes events, and it ends exactly once, whatever happens."""

import asyncio
import contextlib
import dataclasses
import logging
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.core.events import Body, Failure, JobBody, LogBody, State
from hub.core.progress import Meter
from hub.jobs.base import Kind, Rules, Target, Workspace
from hub.jobs.process import Child

log = logging.getLogger(__name__)

KILL_AFTER_S = 1.2
"""A cancelled child has this long to stop by itself; with the cleaning, cancel then takes less than 2 s."""

FAILED_HINT = "Retry; if it happens again, the hub's log has the details."


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job that was accepted."""

    id: str
    kind: Kind
    target: Target
    secrets: Mapping[str, str]
    body: JobBody
    """As queued; every later state of the job is a variation of it."""

    def became(self, state: State, **fields: Any) -> JobBody:
        return dataclasses.replace(self.body, state=state, queue=None, plan=(), **fields)


class Run:
    """`execute` is the run's task; it returns when the job has ended and its work folder is out of the way."""

    def __init__(
        self, order: Order, workspace: Workspace, trash: Path, rules: Rules, publish: Callable[[Order, Body], None]
    ) -> None:
        """The work folder is renamed to `trash` before the end is published, and is the caller's to remove then."""
        self.order = order
        self._workspace = workspace
        self._trash = trash
        self._rules = rules
        self._publish = publish
        self._meter = Meter(order.kind.stages, started=time.monotonic())
        self._child: Child | None = None
        self._stopping: State | None = None
        self._killer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.Timeout | None = None
        self._moved = (-1, "")

    @property
    def is_stopping(self) -> bool:
        return self._stopping is not None

    @property
    def child_pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def execute(self, take: Callable[[], Any]) -> None:
        """`take` gives a child that waits for a task."""
        end = self._crashed("The job's process could not be started.")
        try:
            self._publish(self.order, self.order.became(State.RUNNING))
            await asyncio.to_thread(_make, self._workspace)
            self._child = await take()
            end = await self._follow(self._child) if self._stopping is None else self._stopped(self._stopping)
        except Exception as exc:
            log.exception("a run broke", extra={"action": "run_broke", "job": self.order.id})
            end = self._crashed(f"The hub could not run the job: {exc}")
        finally:
            try:
                await asyncio.shield(self._clean())
            except Exception:  # whatever is left behind, the job has ended
                log.exception("a run could not be cleaned up", extra={"action": "clean_failed", "job": self.order.id})
            finally:
                self._publish(self.order, end)

    def stop(self, state: State) -> None:
        """Have the run end as `state` (cancelled or interrupted): ask the child, then kill it."""
        if self._stopping is not None:
            return
        self._stopping = state
        if self._child is not None and self._child.is_alive:
            self._ask_child()

    def _ask_child(self) -> None:
        assert self._child is not None
        self._child.send("cancel")
        self._killer = asyncio.get_running_loop().call_later(KILL_AFTER_S, self._child.kill)

    async def _follow(self, child: Child) -> JobBody:
        order = self.order
        child.send(
            {
                "job": order.id,
                "kind": order.kind.name,
                "target": dataclasses.asdict(order.target),
                "params": dict(order.body.params),
                "secrets": dict(order.secrets),
                "workspace": {"work": str(self._workspace.work), "home": str(self._workspace.home)},
                "rules": dataclasses.asdict(self._rules),
            }
        )
        last: Mapping[str, Any] = {}
        stalled = False
        try:
            async with asyncio.timeout(order.kind.stall_s) as self._deadline:
                async for said in child.lines():
                    last = said
                    self._hear(said)
        except TimeoutError:
            stalled = True
            child.kill()
        except ValueError as exc:
            child.kill()
            last = {"failed": {"code": "crashed", "message": f"The job's process broke its protocol: {exc}"}}
        code = await child.gone()
        return self._stall() if stalled else self._end(last, code, child)

    def _hear(self, said: Mapping[str, Any]) -> None:
        moved: tuple[int, str] | None = None
        if "progress" in said:
            progress = said["progress"]
            body = self._meter.advance(time.monotonic(), **progress)
            self._publish(self.order, body)
            moved = (progress["current"], self._moved[1] if not progress.get("message") else progress["message"])
        elif "stage" in said:
            self._publish(self.order, self._meter.enter(said["stage"]))
            moved = (-1, said["stage"])
        elif "log" in said:
            stage = self._meter.stage
            self._publish(self.order, LogBody(**said["log"], stage=stage.name if stage else None))
            moved = (self._moved[0], said["log"]["message"])
        if moved is not None and moved != self._moved and self._deadline is not None:
            self._moved = moved
            self._deadline.reschedule(asyncio.get_running_loop().time() + self.order.kind.stall_s)

    def _end(self, last: Mapping[str, Any], code: int, child: Child) -> JobBody:
        if "result" in last:
            return self.order.became(State.SUCCEEDED, result=last["result"])
        if self._stopping is not None:
            return self._stopped(self._stopping)
        if "failed" in last:
            if child.last_words:
                extra = {"action": "child_failed", "job": self.order.id}
                log.warning("a child failed: %s", child.last_words, extra=extra)
            return self._failed(**last["failed"])
        extra = {"action": "child_died", "job": self.order.id}
        log.error("a child died with %s: %s", code, child.last_words, extra=extra)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return self._crashed(f"The job's process {how}.")

    def _failed(self, code: str, message: str, hint: str | None = None, retry: bool = False) -> JobBody:
        stage = self._meter.stage
        error = Failure(code=code, message=message, hint=hint, retry=retry, stage=stage.name if stage else None)
        return self.order.became(State.FAILED, error=error)

    def _crashed(self, message: str) -> JobBody:
        return self._failed("crashed", message, FAILED_HINT, retry=True)

    def _stall(self) -> JobBody:
        message = f"Nothing has moved for {self.order.kind.stall_s:g} seconds, so the job was stopped."
        return self._failed("stalled", message, "The other side may be overloaded: retry later.", retry=True)

    def _stopped(self, state: State) -> JobBody:
        if state is State.CANCELLED:
            return self.order.became(State.CANCELLED)
        return self.order.became(state, error=interrupted(self._meter.stage.name if self._meter.stage else None))

    async def _clean(self) -> None:
        if self._killer is not None:
            self._killer.cancel()
        if self._child is not None and self._child.is_alive:
            self._child.kill()
            await self._child.gone()
        if self._killer is not None:  # stopped in the meantime, too late to matter
            self._killer.cancel()
        # Removing a hundred thousand files takes seconds, and the end of the job need not wait for it.
        try:
            self._workspace.work.rename(self._trash)
        except FileNotFoundError:
            pass  # it was never made
        except OSError:
            await asyncio.to_thread(remove, self._workspace.work)


def interrupted(stage: str | None) -> Failure:
    return Failure(
        code="interrupted",
        message="The hub stopped while the job was running.",
        stage=stage,
        hint="Retry starts it again.",
        retry=True,
    )


def _make(workspace: Workspace) -> None:
    workspace.work.mkdir(parents=True, exist_ok=True)
    workspace.home.mkdir(parents=True, exist_ok=True)


def remove(folder: Path) -> None:
    """Remove a folder and all in it, read-only parts included; no complaint when it is not there."""

    def unlock(function: Callable[[str], Any], path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            Path(path).parent.chmod(0o700)
            function(path)

    if folder.exists():
        shutil.rmtree(folder, onerror=unlock)
    if folder.exists():
        log.error("a work folder could not be removed: %s", folder, extra={"action": "work_left"})
