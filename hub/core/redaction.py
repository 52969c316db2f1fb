"""Secrets never leave the hub: every text that does passes through one Redactor."""

import base64
import collections
import urllib.parse
from collections.abc import Iterable
from typing import Any

MASK = "[redacted]"
SHORTEST = 4
"""Shorter secrets are not searched for: masking every `a` would say more than it hides."""


def forms(secret: str, user: str = "") -> set[str]:
    """Every spelling in which `secret` may turn up: raw, percent-encoded, base64 alone and as basic auth."""
    found = {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), urllib.parse.quote_plus(secret)}
    for pair in {secret, f"{user}:{secret}", f"x-access-token:{secret}", f":{secret}"}:
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(pair.encode()).decode().rstrip("="))
    for line in secret.splitlines():  # a key is one secret per line, too
        found.add(line)
    return {form for form in found if len(form) >= SHORTEST}


class Redactor:
    """Masks every known secret in whatever text or JSON value is given.

    A secret is known from `add` on, and for the next `keep` secrets after it: a late error message of an ended job
    must still be clean.
    """

    def __init__(self, keep: int = 200) -> None:
        self._known: collections.deque[frozenset[str]] = collections.deque(maxlen=keep)
        self._forms: tuple[str, ...] = ()

    def add(self, secrets: Iterable[str], user: str = "") -> None:
        fresh = frozenset(form for secret in secrets if secret for form in forms(secret, user))
        if not fresh or fresh in self._known:
            return
        self._known.append(fresh)
        self._forms = tuple(sorted(set().union(*self._known), key=len, reverse=True))  # longest first

    @property
    def knows_any(self) -> bool:
        return bool(self._forms)

    def text(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def value(self, value: Any) -> Any:
        """The same JSON value with every string in it clean, keys included."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        return value
