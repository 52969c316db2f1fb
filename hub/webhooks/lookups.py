"""Names looked up in threads that nobody has to wait for: a name server may take half a minute to say nothing."""

import asyncio
import threading
from collections.abc import Callable, Sequence

from hub.jobs.base import Rules
from hub.jobs.gate import RemoteUrl

Resolved = Callable[[RemoteUrl, Rules], Sequence[str]]


class Lookups:
    """One at a time for each place. A lookup that is given up goes on, and whoever asks for the same joins it.

    The threads are daemons, so that one that hangs keeps no hub from ending, as a pool's would.
    """

    def __init__(self, resolved: Resolved) -> None:
        """`resolved` blocks."""
        self._resolved = resolved
        self._asking: dict[RemoteUrl, asyncio.Future[Sequence[str]]] = {}

    async def addresses(self, remote: RemoteUrl, rules: Rules) -> Sequence[str]:
        """Raises what `resolved` does. Cancelling is safe."""
        answer = self._asking.get(remote)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._asking[remote] = loop.create_future()
            answer.add_done_callback(lambda done: self._forget(remote, done))
            thread = threading.Thread(
                target=self._ask, args=(loop, answer, remote, rules), name="webhook-lookup", daemon=True
            )
            thread.start()
        return await asyncio.shield(answer)

    def _ask(
        self, loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Sequence[str]]", remote: RemoteUrl, rules: Rules
    ) -> None:
        found: Sequence[str] | BaseException
        try:
            found = self._resolved(remote, rules)
        except Exception as exc:  # noqa: BLE001 - it is whoever waits who is to hear of it
            found = exc
        try:
            loop.call_soon_threadsafe(_settle, answer, found)
        except RuntimeError:  # the hub has ended meanwhile
            return

    def _forget(self, remote: RemoteUrl, done: "asyncio.Future[Sequence[str]]") -> None:
        self._asking.pop(remote, None)
        if not done.cancelled():
            done.exception()  # those who asked may have gone


def _settle(answer: "asyncio.Future[Sequence[str]]", found: Sequence[str] | BaseException) -> None:
    if answer.done():
        return
    if isinstance(found, BaseException):
        answer.set_exception(found)
    else:
        answer.set_result(found)
