"""Being told to stop: the first signal drains, the second hurries."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

from aiohttp import web

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    def __init__(self, asked: asyncio.Event | None = None) -> None:
        """`asked` may also be set by whoever started the hub."""
        self.asked = asked or asyncio.Event()
        self.hurried = asyncio.Event()

    @contextlib.contextmanager
    def by_signals(self) -> Iterator[None]:
        """A terminal that goes (SIGHUP) drains, too, and never hurries: shells and kernels say it twice.

        A hub with a certificate reads that again instead (`tls.py`); under nohup the signal stays ignored.
        """
        loop = asyncio.get_running_loop()
        handlers = dict.fromkeys(SIGNALS, self.tell)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            handlers[signal.SIGHUP] = self.asked.set
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def tell(self) -> None:
        if self.asked.is_set() and not self.hurried.is_set():
            log.warning("told to stop again: not waiting for watchers any longer", extra={"action": "hurrying"})
            self.hurried.set()
        self.asked.set()

    async def clean_up(self, runner: web.AppRunner) -> None:
        """Have every watcher told and every answer finished, or as many as there is time for.

        Only waiting is cut short: jobs are stopped and what was published is written by whoever owns the hub, after it.
        """
        draining = asyncio.create_task(runner.cleanup(), name="drain")
        hurried = asyncio.create_task(self.hurried.wait(), name="hurry")
        try:
            await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
            if not draining.done():
                draining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await draining
        finally:
            hurried.cancel()
            draining.cancel()
