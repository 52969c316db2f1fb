"""Signatures by the Standard Webhooks specification, version 1 (symmetric), and the secrets that they are made with.

A webhook's secret is made from its id and one key, which is in a file of its own that only the owner may read. So there
is nothing to keep in step with the journal, a copy of the journal gives no secret away, and a deleted webhook leaves
none behind.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PREFIX = "whsec_"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Key:
    """What all secrets are made from."""

    _bytes: bytes

    def __repr__(self) -> str:
        return "Key()"

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The key in the file; None where there is none. Blocks. Raises OSError; ValueError for no key."""
        try:
            found = base64.b64decode(path.read_bytes().strip(), validate=True)
        except FileNotFoundError:
            return None
        if len(found) != KEY_BYTES:
            raise ValueError(f"{path} is no key: {len(found)} bytes")
        return cls(found)

    @classmethod
    def at(cls, path: Path) -> Self:
        """As `read`, and where there is none it is made."""
        if (found := cls.read(path)) is not None:
            return found
        made = secrets.token_bytes(KEY_BYTES)
        beside = path.with_name(f"{path.name}.new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(base64.b64encode(made) + b"\n")
            file.flush()
            os.fsync(descriptor)
        beside.rename(path)  # all of it or nothing: half a key would be another one
        return cls(made)

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
