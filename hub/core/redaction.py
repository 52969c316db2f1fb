"""Secrets never leave the hub: every text that does passes through one Redactor."""

import base64
import collections
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from hub.core.events import Body, JobBody, LogBody, ProgressBody

MASK = "[redacted]"
SHORTEST = 4
"""Shorter secrets are not searched for: masking every `a` would say more than it hides."""

SHORTEST_INSIDE = 10
"""Characters of base64."""
_ESCAPE = re.compile("%[0-9A-F]{2}")
_OURS = re.compile(r"\bhub(?:_[0-9a-f]{10}_|session_|watch_[\w-]+\.)[\w-]{43}", re.ASCII)
"""What the hub gives out itself: tokens, cookies and watch links. It keeps none, and knows them by their form."""

Clean = Callable[[str], str]


def forms(secret: str, user: str = "") -> set[str]:
    """Every spelling in which `secret` may turn up: raw, percent-encoded, in JSON, base64 alone, as basic auth and as a
    part of a longer text.
    """
    quoted = {urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret), urllib.parse.quote_plus(secret)}
    found = {secret, *quoted, *(_ESCAPE.sub(lambda match: match[0].lower(), one) for one in quoted)}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    found |= set(_inside_base64(secret.encode()))
    for pair in {secret, f"{user}:{secret}", f"x-access-token:{secret}", f":{secret}"}:
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(pair.encode()).decode().rstrip("="))
    for line in secret.splitlines():  # a key is one secret per line, too
        found.add(line)
    return {form for form in found if len(form) >= SHORTEST}


def _inside_base64(secret: bytes) -> Iterator[str]:
    """What base64 makes of the secret wherever it stands in a text, but for the characters that its neighbours share.

    Short ones are left out: they would turn up by chance.
    """
    for before in range(3):
        first, end = -(-8 * before // 6), 8 * (before + len(secret)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(bytes(before) + secret).decode()[first:end]
            if len(core) >= SHORTEST_INSIDE:
                yield core


class Redactor:
    """Masks known secrets in text and JSON values.

    A secret belongs to the job it was given with, and is masked in what that job says and in whatever belongs to no
    job: a token that happens to be the word `main` hides nobody else's branches. The last `keep` jobs that came with
    secrets are remembered, ended or not, since a late error message must still be clean. What was given with no job is
    the hub's own: it is masked everywhere, and never forgotten.
    """

    def __init__(self, keep: int = 500) -> None:
        self._keep = keep
        self._own: tuple[str, ...] = ()
        self._of_job: collections.OrderedDict[str, tuple[str, ...]] = collections.OrderedDict()

    def add(self, secrets: Iterable[str], user: str = "", job: str = "") -> None:
        found = {form for secret in secrets if secret for form in forms(secret, user)}
        if not job:
            self._own = _longest_first({*found, *self._own})
        elif found:
            self._of_job[job] = _longest_first({*found, *self._of_job.get(job, ())})
            self._of_job.move_to_end(job)
            while len(self._of_job) > self._keep:
                self._of_job.popitem(last=False)

    def text(self, text: str, job: str | None = None) -> str:
        """`text` with the secrets of `job` masked; of all jobs when it is None."""
        if "hub" in text:
            text = _OURS.sub(MASK, text)
        known = self._of_job.values() if job is None else (self._of_job.get(job, ()),)
        for found in (self._own, *known):
            for form in found:
                if form in text:
                    text = text.replace(form, MASK)
        return text

    def value(self, value: Any, job: str | None = None) -> Any:
        """The same JSON value with every text in it clean; its keys are names, and stay."""
        return mapped(value, lambda text: self.text(text, job))

    def body(self, body: Body, job: str) -> Body:
        """The same body with every free text in it clean, of secrets and of what is no Unicode.

        Names (states, stages, codes, units) are the hub's own and stay as they are.
        """
        return with_clean_text(body, lambda text: self.text(unicode(text), job))


def _longest_first(found: set[str]) -> tuple[str, ...]:
    return tuple(sorted(found, key=len, reverse=True))


def unicode(text: str) -> str:
    """`text` without lone surrogates, which no file, database or socket would take: their code is written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def mapped(value: Any, clean: Clean) -> Any:
    """A JSON value with `clean` applied to every text but the keys, which only become Unicode."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {unicode(key): mapped(item, clean) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mapped(item, clean) for item in value)
    return value


def with_clean_text(body: Body, clean: Clean) -> Body:
    if isinstance(body, ProgressBody):
        return replace(body, message=clean(body.message), detail=mapped(dict(body.detail), clean))
    if isinstance(body, LogBody):
        return replace(body, message=clean(body.message))
    if isinstance(body, JobBody):
        error = body.error
        if error is not None:
            error = replace(error, message=clean(error.message), hint=clean(error.hint) if error.hint else None)
        result = mapped(dict(body.result), clean) if body.result is not None else None
        return replace(body, params=mapped(dict(body.params), clean), result=result, error=error)
    return body
