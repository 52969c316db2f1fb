"""Signatures by the Standard Webhooks specification, version 1 (symmetric), and the secrets that they are made with.

A webhook's secret is made from its id and one key, which is in a file of its own that only the owner may read. So there
is nothing to keep in step with the journal, a copy of the journal gives no secret away, and a deleted webhook leaves
none behind.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hub import key_files

PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Key:
    """What all secrets are made from."""

    _bytes: bytes

    def __repr__(self) -> str:
        return "Key()"

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """As `key_files.read`."""
        found = key_files.read(path)
        return None if found is None else cls(found)

    @classmethod
    def at(cls, path: Path) -> Self:
        """As `key_files.read_or_made`."""
        return cls(key_files.read_or_made(path))

    def secret(self, webhook: str) -> str:
        """As the receiver is given it: `whsec_` and base64."""
        made = hmac.digest(self._bytes, f"webhook:{webhook}".encode(), hashlib.sha256)
        return PREFIX + base64.b64encode(made).decode()


def headers(secret: str, message: str, at_s: int, payload: bytes) -> Mapping[str, str]:
    """`secret` as the receiver has it, `message` the identifier, `at_s` Unix seconds of the attempt."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message}.{at_s}.".encode() + payload
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": message, "webhook-timestamp": str(at_s), "webhook-signature": f"v1,{signature}"}
