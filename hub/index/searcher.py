"""Searching from an event loop: processes that can be killed, and a bounded number of questions to them."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hub.core.errors import HubError
from hub.index import processes
from hub.index.errors import BadQuery, IndexBroken, IndexUnreadable, NoIndex, SearchBusy

log = logging.getLogger(__name__)

PROCESSES = 2
DEADLINE_S = 2.0
"""Of a search. What is found by then is the answer, marked as not complete."""
GRACE_S = 1.5
"""How much later a process that has not answered is killed."""
START_S = 10.0
"""For a process to start and answer its first question, on top of that."""
MOST_WAITING = 100
WAIT_S = 10.0
"""For a process to be free; whoever waits for longer is turned away rather than kept."""
_LOOK_S = 0.1
LINE_BYTES = 32 * 1024 * 1024
_KINDS: Mapping[str, type[HubError]] = {
    kind.__name__: kind for kind in (BadQuery, NoIndex, IndexBroken, IndexUnreadable)
}


class SearchFailed(HubError):
    """The search broke. It says nothing about the index: a simpler query may do."""

    code = "search_failed"


class Searcher:
    """Starts processes when they are first needed; `close` ends them."""

    def __init__(self, processes: int = PROCESSES, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._free: asyncio.LifoQueue[_Process | None] = asyncio.LifoQueue()
        for _ in range(processes):
            self._free.put_nowait(None)
        self._all: set[_Process] = set()
        self._asking: set[asyncio.Task[dict[str, Any]]] = set()
        self._waiting = 0
        self._closed = False

    async def search(self, places: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """`places` are `{id, index, roots?}` and `wanted` is what `requests.parse` takes; the API's answer.

        Raises BadQuery, NoIndex (one project alone, without an index), SearchBusy, SearchFailed.
        """
        return await self._ask({"op": "search", "places": list(places), **wanted})

    async def state(self, place: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What the index holds; see `state.state`. Raises NoIndex, IndexBroken, BadQuery, SearchBusy, SearchFailed."""
        return await self._ask({"op": "state", "places": [place], **wanted})

    async def close(self) -> None:
        """Also what is being started right now. Whoever waits is told SearchBusy, whoever asks SearchFailed."""
        self._closed = True
        while self._all or self._asking:
            for process in list(self._all):
                await self._end(process)
            if self._asking:
                await asyncio.wait(self._asking, timeout=_LOOK_S)

    async def _ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        if self._closed or self._waiting >= MOST_WAITING:
            raise SearchBusy
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                process = await self._free.get()
        except TimeoutError as exc:
            raise SearchBusy from exc
        finally:
            self._waiting -= 1
        if self._closed:
            self._free.put_nowait(process)  # for the next in line, who is turned away as well
            raise SearchBusy
        # Who leaves early, as every keystroke in a search field does, leaves the process what it has in memory.
        asking = asyncio.get_running_loop().create_task(self._exchanged(process, question))
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        return _checked(await asyncio.shield(asking))

    def _asked(self, asking: "asyncio.Task[dict[str, Any]]") -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # somebody has looked, should whoever asked have left

    async def _exchanged(self, process: "_Process | None", question: Mapping[str, Any]) -> dict[str, Any]:
        patience_s = self._deadline_s + GRACE_S
        try:
            if process is None or not process.is_alive:
                if process is not None:
                    await self._end(process)
                    process = None
                process = await _Process.spawn()
                self._all.add(process)
                patience_s += START_S
            async with asyncio.timeout(patience_s):
                return await process.ask({**question, "deadline_s": self._deadline_s})
        except TimeoutError as exc:
            log.warning("a search did not end and was killed", extra={"action": "search_killed"})
            raise SearchFailed("The search did not end in time, so it was stopped. Try a simpler query.") from exc
        except (OSError, ValueError, EOFError) as exc:
            log.exception("a searching process died", extra={"action": "search_died"})
            raise SearchFailed from exc
        finally:
            if process is not None and sys.exc_info()[0] is not None:
                if words := await self._end(process):
                    log.error("its last words: %s", words, extra={"action": "search_died"})
                process = None
            self._free.put_nowait(process)

    async def _end(self, process: "_Process") -> str:
        self._all.discard(process)
        return await process.end()


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    error = answer.get("error")
    if error is None:
        return answer
    kind = _KINDS.get(answer.get("kind", ""), SearchFailed)
    raise kind(error["message"], code=error["code"], **error.get("detail", {}))


class _Process:
    """One `python -m hub.index.search_process`, which ends when its input does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._words = b""
        self._reader = asyncio.get_running_loop().create_task(self._read_words())

    @classmethod
    async def spawn(cls) -> "_Process":
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "hub.index.search_process",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES, start_new_session=True, env=processes.environment(), cwd="/",
        )  # fmt: skip
        return cls(process)

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Raises OSError, EOFError, ValueError when the process does not do as it should."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ValueError("no object")  # noqa: TRY004 - like the decoder's own error
        return answer

    async def end(self) -> str:
        """Kill it; its last words."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await asyncio.wait({self._reader}, timeout=0.3)
        self._reader.cancel()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return self._words.decode(errors="replace").strip()

    async def _read_words(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(4096):
            self._words = (self._words + data)[-4096:]
