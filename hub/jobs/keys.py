"""Idempotency keys: the same request again gives the same job."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hub.core.errors import BadRequest
from hub.core.ledger import Ledger
from hub.core.ports import Journal, Key

RECENT = 1000


class KeyReused(BadRequest):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"


class Keys:
    """What was asked with which key. The newest are known before they are committed, too."""

    def __init__(self, journal: Journal, ledger: Ledger) -> None:
        self._journal = journal
        self._ledger = ledger
        self._recent: dict[str, tuple[str, Key]] = {}
        """With the project of each."""

    async def job(self, key: str, fingerprint: str) -> str | None:
        """The job that came of the very same request. Raises KeyReused for another one."""
        known = await self._recall(key)
        if known is not None and known.fingerprint != fingerprint:
            raise KeyReused
        return known.job if known else None

    def remember(self, project: str, key: Key) -> None:
        """Make it durable with what was published just now."""
        self._ledger.remember(key)
        self._recent[key.key] = (project, key)
        while len(self._recent) > RECENT:
            self._recent.pop(next(iter(self._recent)))

    def forget(self, project: str) -> None:
        """A deleted project takes its keys along."""
        self._recent = {name: kept for name, kept in self._recent.items() if kept[0] != project}

    async def _recall(self, key: str) -> Key | None:
        if recent := self._recent.get(key):
            return recent[1]
        known = await self._journal.recall(key)
        return known if known and await self._journal.job(known.job) else None


def fingerprint(project: str, kind: str, params: Mapping[str, Any], retry: Any = None) -> str:
    asked = [project, kind, dict(params), *([] if retry is None else [retry])]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
