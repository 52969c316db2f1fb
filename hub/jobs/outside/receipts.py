"""Receipts: what publishers have said under a key, so that the same said again is known for what it is."""

import collections
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from hub.core.errors import Conflict
from hub.core.ledger import Ledger
from hub.core.ports import Journal, Receipt
from hub.core.said import Said, SaidProgress

RECENT = 50_000
"""Keys known without a look into the journal: some 15 MB of them."""


class KeyReused(Conflict):
    """The job has had another event under this key; each event needs a key of its own."""

    code = "key_reused"


@dataclass(frozen=True, slots=True)
class Known:
    project: str
    fingerprint: str
    seq: int | None
    """None: it got no number."""


class Receipts:
    """The newest are in memory, whatever they are of. The journal keeps those of lossless events as long as these."""

    def __init__(self, journal: Journal, ledger: Ledger, durable: Callable[[], Awaitable[None]]) -> None:
        self._journal = journal
        self._ledger = ledger
        self._durable = durable
        self._recent: collections.OrderedDict[tuple[str, str], Known] = collections.OrderedDict()
        self._whole: set[str] = set()
        """Jobs of which every key there ever was is in `_recent`."""

    def begin(self, job: str) -> None:
        self._whole.add(job)

    def end(self, job: str) -> None:
        self._whole.discard(job)

    def open(self, said: Sequence[Said]) -> list[tuple[str, str]]:
        """Jobs and keys of which only the journal knows whether they are new."""
        return [
            (each.job, each.key)
            for each in said
            if each.key is not None
            and each.job not in self._whole
            and not isinstance(each, SaidProgress)
            and (each.job, each.key) not in self._recent
        ]

    async def recall(self, said: Sequence[Said]) -> None:
        """Bring to memory what the journal knows of these. Raises JournalUnavailable."""
        asked: set[tuple[str, str]] = set()
        while wanted := [pair for pair in self.open(said) if pair not in asked]:
            await self._durable()  # what has been pushed out of memory may not be in the journal yet
            asked.update(wanted)
            for found in await self._journal.receipts(wanted):
                self._keep((found.job, found.key), Known(found.project, found.fingerprint, found.seq))

    def find(self, project: str, said: Said) -> Known | None:
        """What came of the very same event earlier; None for a new one. Raises KeyReused."""
        known = self._recent.get((said.job, said.key)) if said.key is not None else None
        if known is None or known.project != project:
            return None
        if known.fingerprint != said.fingerprint:
            raise KeyReused
        return known

    def keep(self, project: str, said: Said, seq: int | None) -> None:
        """Call right after the publishing of what came of it, if anything did."""
        if said.key is None:
            return
        self._keep((said.job, said.key), Known(project, said.fingerprint, seq))
        if seq is not None and not isinstance(said, SaidProgress):
            receipt = Receipt(job=said.job, key=said.key, project=project, seq=seq, fingerprint=said.fingerprint)
            self._ledger.receive(receipt)

    def forget(self, project: str) -> None:
        """A deleted project takes its keys along."""
        kept = ((pair, known) for pair, known in self._recent.items() if known.project != project)
        self._recent = collections.OrderedDict(kept)

    def _keep(self, pair: tuple[str, str], known: Known) -> None:
        self._recent[pair] = known
        if len(self._recent) > RECENT:
            (job, _), _ = self._recent.popitem(last=False)
            self._whole.discard(job)
