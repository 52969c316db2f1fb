"""Idempotency keys: the same request again gives the same job.

What was asked is kept as an HMAC of it, for a request may hold a token, and a plain digest of one that is short, or of
a known form, can be searched for. The HMAC's key is beside the journal, and in no copy of that.
"""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub import key_files
from hub.core.errors import BadRequest, HubError
from hub.core.ledger import Ledger
from hub.core.ports import Journal, Key

RECENT = 1000
KEY_FILE = "idempotency.key"
_FORM = "hmac:"
"""Begins every fingerprint. Those of versions that kept digests are of no use, and count for none."""


class KeyReused(BadRequest):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"


class KeysUnreadable(HubError):
    """The file idempotency.key in the data folder cannot be used. Restore it, or remove it: earlier requests are then
    not known again.
    """

    code = "idempotency_key_unreadable"


class Keys:
    """What was asked with which key. The newest are known before they are committed, too."""

    def __init__(self, journal: Journal, ledger: Ledger, folder: Path) -> None:
        """`folder` is the data folder."""
        self._file = folder / KEY_FILE
        self._secret = b""
        self._journal = journal
        self._ledger = ledger
        self._recent: dict[str, tuple[str, Key]] = {}
        """With the project of each."""

    async def start(self) -> None:
        """Raises KeysUnreadable."""
        try:
            self._secret = await asyncio.to_thread(key_files.read_or_made, self._file)
        except (OSError, ValueError) as exc:
            raise KeysUnreadable(f"The file {KEY_FILE} in the data folder cannot be used: {exc}.") from exc

    def fingerprint(self, project: str, kind: str, params: Mapping[str, Any], retry: Any = None) -> str:
        """The same for the same request; tells nobody what is in it."""
        assert self._secret, "not started"
        asked = [project, kind, dict(params), *([] if retry is None else [retry])]
        return _FORM + hmac.digest(self._secret, json.dumps(asked, sort_keys=True).encode(), hashlib.sha256).hex()

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
        if known is None or not known.fingerprint.startswith(_FORM):
            return None
        return known if await self._journal.job(known.job) else None
