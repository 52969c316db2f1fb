"""How a job is described where it begins."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict

from hub.core.ids import SLUG

KIND = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")
THE_HUBS_OWN = frozenset({"clone", "sync", "index", "snapshot", "ingest"})
SILENCE_S = 60.0
LONGEST_NAME = 100
LONGEST_SILENCE_S = 604_800.0
BEATS = 12
"""Keep-alives within the silence that was promised, so that a few may be lost; a cancel gets through with them."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A phase of a job; weights are relative to those of the other stages. Weight 0: it moves no percent."""

    name: str
    title: str = ""
    weight: float = 1.0

    def to_wire(self) -> dict[str, Any]:
        return {"stage": name(self.name), "title": name(self.title or self.name), "weight": self.weight}


def name(text: object) -> str:
    """`text` as a name that the hub takes: one line, and not too long."""
    return "".join(c if c.isprintable() else " " for c in str(text))[:LONGEST_NAME]


class JobWords(TypedDict, total=False):
    """What may be said about a job besides its kind."""

    project: Required[str]
    """Made on the hub if it is not there."""
    id: str
    """Unique on the hub; a fresh one by default."""
    params: Mapping[str, Any]
    """What it runs with, to be shown: JSON."""
    stages: Sequence[Stage | str]
    """In their order, where they are known beforehand."""
    total: float | None
    unit: str
    silence_s: float
    """After so long without a sign of life, the hub takes the job for dead. Signs are given by themselves."""
    raises: bool
    """Do `update`, `advance`, `stage` and `log` raise JobCancelled once somebody has cancelled it? By default, yes."""


TYPES: Mapping[str, tuple[Any, str]] = {
    "kind": (str, "a text"),
    "project": (str, "a text"),
    "id": (str, "a text"),
    "params": (Mapping, "a mapping"),
    "stages": (Sequence, "a list of names or `Stage`s"),
    "unit": (str, "a text"),
    "silence_s": (int | float, "a number of seconds"),
}


def checked(kind: str, words: Mapping[str, Any]) -> None:
    """Raises ValueError for what no hub would take, TypeError for a word that there is not."""
    if unknown := words.keys() - JobWords.__annotations__.keys():
        raise TypeError(f"job() knows no {', '.join(sorted(unknown))}")
    if not words.get("project"):
        raise TypeError("job() needs a project")
    for word, value in {"kind": kind, **words}.items():
        types, said = TYPES.get(word, (object, ""))
        if not isinstance(value, types) or (word == "stages" and isinstance(value, str)):
            raise TypeError(f"job(): {word} must be {said}, not {value!r}")
    if not KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} cannot be a kind: letters, digits, '.', '_' and '-', a letter first, at most 64.")
    if kind in THE_HUBS_OWN:
        raise ValueError(f"{kind!r} is a kind of the hub's own. Start it with `start`, or take another name.")
    if not SLUG.fullmatch(words["project"]):
        raise ValueError(
            f"{words['project']!r} cannot be a project: a-z, 0-9, '.', '_', '-', a letter or digit first, at most 64."
        )
    if "id" in words and not JOB_ID.fullmatch(words["id"]):
        raise ValueError(f"{words['id']!r} cannot be a job's id: letters, digits and '._:~-', at most 128.")
    if not 1 <= words.get("silence_s", SILENCE_S) <= LONGEST_SILENCE_S:
        raise ValueError("silence_s must be from 1 second to a week.")
