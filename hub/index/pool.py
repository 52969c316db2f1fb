"""Workers on all cores, and what becomes of a document that kills one."""

import collections
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hub.index import analysis, frames, processes
from hub.index.analysis import LEFT_OUT, Analysis, Document, Wanted
from hub.index.worker import MARK

MOST_WORKERS = 4
"""Each takes some 150 MB, and the one writer serves no more."""
HANG_S = 15.0
"""A document at which a worker has been for so long is taken from it; parsers stop by themselves after 2 s."""
WORKER = "hub.index.worker"
_LOOK_S = 0.1
_MOST_CRASHES = 20
"""Of one language's parser in one run; after so many it is not asked again."""
_ALONE = 4
"""A worker that dies before its first document, so many times in a row, cannot work at all."""

Batch = Sequence[Wanted]


class NoWorker(Exception):
    """No worker can be started; the message is the last words of one."""


def cores() -> int:
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class _Died(Exception):
    """The worker ended under a batch, at the document at `place` of it; -1: at none."""

    def __init__(self, place: int, words: str) -> None:
        super().__init__(words)
        self.place = place


class _Worker:
    def __init__(self, source: Path) -> None:
        # Files, not pipes, where nobody reads all along: a full pipe would stop the worker.
        self._marker = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._words = tempfile.TemporaryFile()  # noqa: SIM115
        os.pwrite(self._marker.fileno(), MARK.pack(0, 0), 0)  # a full disk is met here and not in the worker
        number = str(self._marker.fileno())
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER, os.fsencode(source).hex(), number],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words,
            pass_fds=[self._marker.fileno()], env=processes.environment(), cwd="/",
        )  # fmt: skip
        self._looking = threading.Lock()  # the thread that closes is not the one that looks
        self._seen = (0, 0)
        self._before = self._seen_count = 0
        self._looked_at = self._stood_s = 0.0
        self._is_busy = False

    def ask(self, batch: Batch) -> Analysis:
        """Raises _Died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        before = self._before = self._mark()[1]
        self._seen_count, self._stood_s, self._looked_at = before, 0.0, time.monotonic()
        self._is_busy = True
        try:
            frames.write(self._process.stdin, [one.to_wire() for one in batch])
            frame = frames.read(self._process.stdout)
        except OSError:
            frame = None
        finally:
            self._is_busy = False
        if frame is None:
            place, count = self._mark()
            raise _Died(place if count > before else -1, self._last_words())
        return analysis.from_wire(*frame)

    def kill_if_it_hangs(self, now: float) -> None:
        """Call it every so often: what passes between two calls counts for a second at most, so no pause is a hang."""
        if not self._is_busy:
            return
        count = self._mark()[1]
        self._stood_s = self._stood_s + min(now - self._looked_at, 1.0) if count == self._seen_count else 0.0
        self._seen_count, self._looked_at = count, now
        if self._stood_s > HANG_S:
            self._process.kill()

    def begun(self) -> int:
        """Documents of the present batch."""
        return max(0, self._mark()[1] - self._before) if self._is_busy else 0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        with self._looking:
            self._marker.close()
        for file in (self._process.stdin, self._process.stdout, self._words):
            if file is not None:
                try:
                    file.close()
                except OSError:  # what was not written has nobody to read it any more
                    continue

    def _mark(self) -> tuple[int, int]:
        with self._looking:
            if not self._marker.closed:
                self._seen = MARK.unpack(os.pread(self._marker.fileno(), MARK.size, 0))
        return self._seen

    def _last_words(self) -> str:
        size = os.fstat(self._words.fileno()).st_size
        return os.pread(self._words.fileno(), 2000, max(0, size - 2000)).decode(errors="replace").strip()


class Pool:
    """Gives batches to workers. What is not asked for is not started; leaving the generator ends every worker."""

    def __init__(self, source: Path, workers: int | None = None) -> None:
        self._source = source
        self._count = workers or cores()
        self._workers: dict[int, _Worker] = {}
        self._crashes: collections.Counter[str] = collections.Counter()
        self._stopping = threading.Event()
        self._taking = threading.Lock()
        self._results: queue.Queue[Analysis | Exception | None] = queue.Queue(maxsize=2 * self._count)

    def begun(self) -> int:
        """Documents that workers have begun and whose batches are not done yet."""
        return sum(worker.begun() for worker in list(self._workers.values()))

    def analyses(self, batches: Iterable[Batch], check: Callable[[], None]) -> Iterator[Analysis]:
        """What was found in the batches, as it comes. `check` is called all along. Raises NoWorker."""
        waiting = iter(batches)
        threads = [
            threading.Thread(target=self._work, args=(number, waiting), daemon=True) for number in range(self._count)
        ]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                check()
                try:
                    result = self._results.get(timeout=_LOOK_S)
                except queue.Empty:
                    now = time.monotonic()
                    for worker in list(self._workers.values()):
                        worker.kill_if_it_hangs(now)
                    continue
                if isinstance(result, Exception):
                    raise result
                if result is None:
                    running -= 1
                else:
                    yield result
        finally:
            self._stop(threads)

    def _stop(self, threads: list[threading.Thread]) -> None:
        self._stopping.set()
        while any(thread.is_alive() for thread in threads):
            for worker in list(self._workers.values()):  # each time: one may have been starting up
                worker.kill()
            try:
                self._results.get(timeout=_LOOK_S)  # so that none waits for room
            except queue.Empty:
                continue

    def _work(self, number: int, waiting: Iterator[Batch]) -> None:
        """The life of the thread that serves a worker."""
        try:
            while not self._stopping.is_set():
                with self._taking:
                    batch = next(waiting, None)
                if batch is None:
                    break
                self._results.put(self._analysis(number, batch))
        except Exception as exc:  # noqa: BLE001 - handed to whoever waits for the results
            if not self._stopping.is_set():
                self._results.put(exc)
        finally:
            if number in self._workers:
                self._workers.pop(number).close()
            self._results.put(None)

    def _analysis(self, number: int, batch: Batch) -> Analysis:
        lost: dict[int, Document] = {}
        left, deaths = list(batch), 0
        while left:
            left = [replace(one, parse=one.parse and self._crashes[one.hint] < _MOST_CRASHES) for one in left]
            worker = self._workers.get(number) or _Worker(self._source)
            self._workers[number] = worker
            try:
                found = worker.ask(left)
            except _Died as died:
                self._workers.pop(number).close()
                if self._stopping.is_set():
                    raise
                deaths = deaths + 1 if died.place < 0 else 0
                if deaths == _ALONE:
                    raise NoWorker(str(died)) from died
                if died.place >= 0:
                    self._crashes[left[died.place].hint] += 1
                    left = _without(left, died.place, lost)
                continue
            return replace(found, documents=[*found.documents, *lost.values()])
        return Analysis(documents=list(lost.values()), low=0, buckets=())


def _without(batch: list[Wanted], place: int, lost: dict[int, Document]) -> list[Wanted]:
    """The batch with the document at `place` not parsed; and without it, if that was so already."""
    one = batch[place]
    if one.parse:
        return [*batch[:place], replace(one, parse=False), *batch[place + 1 :]]
    lost[one.doc] = Document(doc=one.doc, state=LEFT_OUT, lang=one.hint, reason="crashing")
    return [*batch[:place], *batch[place + 1 :]]
