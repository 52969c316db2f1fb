"""The one task that makes the ledger durable: group commit of whatever waits, and a loud state when it can't."""

import asyncio
import contextlib
import logging
import time

from hub.core.errors import JournalUnavailable
from hub.core.ledger import Ledger
from hub.core.ports import Journal

log = logging.getLogger(__name__)

IDLE_S = 0.25
"""Changed progress that nobody waits for is written this often."""
RETRY_S = 0.5
SLOW_S = 1.0
"""A commit under way for longer is trouble, although it may still succeed: SQLite waits out another's lock."""


class Writer:
    """Owns the order "take, commit, tell". `run` is its task; `stop` ends it with everything written."""

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        self._ledger = ledger
        self._journal = journal
        self._wake = asyncio.Event()
        self._stopping = False
        self._turn: asyncio.Future[None] | None = None
        self.failing_since: float | None = None
        """Monotonic seconds; None while all is well."""
        self.failure = ""
        self._began: float | None = None
        """Monotonic; of the commit under way."""
        self.failures = 0
        self.commits = 0
        self.commit_s = 0.0
        """Seconds spent in those that succeeded."""

    def wake(self) -> None:
        self._wake.set()

    @property
    def trouble(self) -> str:
        """Why what is published is not told just now; empty while all is well."""
        if self.failing_since is not None:
            return self.failure
        if self._began is not None and time.monotonic() - self._began > SLOW_S:
            return "A commit takes long: is the journal locked, or the disk overloaded?"
        return ""

    async def durable(self, patience_s: float = 5.0) -> None:
        """Wait until everything published so far is in the journal. Cancelling is safe.

        Raises JournalUnavailable when that takes too long, or the hub stops first. What was published is not lost by
        it: it is told once it is durable.
        """
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
            self._turn.add_done_callback(_seen)
        self.wake()
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.shield(self._turn)
        except TimeoutError:
            raise JournalUnavailable(self.failure or None) from None

    async def run(self) -> None:
        while not self._stopping:
            if not self._ledger.is_urgent and self._turn is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), IDLE_S)
            self._wake.clear()
            try:
                await self._commit_what_waits()
            except JournalUnavailable:
                raise
            except Exception:  # from those who were told; without this task nothing would ever be told again
                log.exception("telling what was committed broke", extra={"action": "tell_broke"})
        await self._commit_what_waits()

    async def stop(self) -> None:
        """Have `run` write what is left and return."""
        self._stopping = True
        self.wake()

    async def _commit_what_waits(self) -> None:
        turn, self._turn = self._turn, None
        try:
            await self._commit()
        except JournalUnavailable as exc:
            if turn is not None and not turn.done():
                turn.set_exception(exc)
            raise
        if turn is not None and not turn.done():
            turn.set_result(None)

    async def _commit(self) -> None:
        """Until it is done, however long the disk is full: nothing after it may be told before it."""
        while (batch := self._ledger.take()) is not None:
            self._began = began = time.monotonic()
            try:
                await self._journal.commit(batch)
            except Exception as exc:  # whatever it is: without this task nothing would ever be told again
                if self.failing_since is None:
                    self.failing_since = time.monotonic()
                    log.exception("the journal cannot be written", extra={"action": "journal_failing"})
                self.failure = str(exc)
                self.failures += 1
                if self._stopping:
                    raise JournalUnavailable(self.failure) from exc
                await asyncio.sleep(RETRY_S)
                continue
            self._began = None
            self.commits += 1
            self.commit_s += time.monotonic() - began
            if self.failing_since is not None:
                log.warning("the journal is written again", extra={"action": "journal_recovered"})
                self.failing_since, self.failure = None, ""
            self._ledger.commit()
            return


def _seen(turn: "asyncio.Future[None]") -> None:
    """Those who wait for a turn may have lost patience; its end is in the log all the same."""
    if not turn.cancelled():
        turn.exception()
