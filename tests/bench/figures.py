"""What a run found: raw figures by row in a JSON file, and the README's tables made of them."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
"""Of one row, as JSON: whatever its `lines` and the plots need."""
HEAD = ("what", "the hub", "the peer", "ratio", "goal", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    bound: float
    is_least: bool = False
    unit: str = ""

    def __str__(self) -> str:
        return f"{'>=' if self.is_least else '<='} {self.bound:g}{self.unit}"

    def met(self, value: float) -> bool:
        return value >= self.bound if self.is_least else value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a table. `ratio` is what a goal holds against where there is a peer, else `value`."""

    what: str
    hub: str = ""
    peer: str = ""
    ratio: float | None = None
    value: float | None = None
    goal: Goal | None = None

    @property
    def is_met(self) -> bool | None:
        measured = self.value if self.ratio is None else self.ratio
        return None if self.goal is None or measured is None else self.goal.met(measured)

    def cells(self) -> tuple[str, ...]:
        met = {None: "", True: "yes", False: "no"}[self.is_met]
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return self.what, self.hub, self.peer, ratio, "" if self.goal is None else str(self.goal), met


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured. The defaults are the README's."""

    folder: Path
    """Scratch: compiled programs and the like."""
    rounds: int = 3
    watchers: int = 1000
    events: int = 200
    idle: int = 8000
    """Watchers whose memory is measured."""
    stalled: int = 100
    seconds: float = 2.5
    """Of each paced measurement."""
    rates: Sequence[int] = (1, 20, 100, 500)
    """Events a second."""
    sizes: Sequence[int] = (100, 300, 1000, 3000, 10_000)
    """Watchers of the sweep."""
    deliveries: int = 200_000
    """Of each step of the sweep."""
    peers: Sequence[str] = ()
    """Whom to measure besides the hub; all that a row knows when empty."""
    repository: str | None = None
    """Of the clone."""

    @property
    def few_rounds(self) -> int:
        """For what takes long and varies little: one for every three."""
        return max(1, self.rounds // 3)

    def among(self, *names: str) -> list[str]:
        """Those of a row's own peers that are wanted; the hub always is."""
        return [name for name in names if not self.peers or name.partition(":")[0] in {"hub", *self.peers}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing to measure. `measure` raises MissingError or BrokenError; `lines` and `notes` are pure."""

    name: str
    title: str
    measure: Callable[[Plan], Figures]
    lines: Callable[[Figures], Iterable[Line]]
    notes: Callable[[Figures], Iterable[str]] = lambda figures: ()


def load(path: Path) -> dict[str, Figures]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def save(path: Path, figures: Mapping[str, Figures]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def table(lines: Iterable[Line]) -> str:
    rows = [HEAD, tuple("---" for _ in HEAD), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |") for cells in rows)


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


def amount(value: float, unit: str = "") -> str:
    """Three digits that count: 1.06 M, 749 k, 9.8, 0.31."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{_digits(value / size)} {letter}{unit and ' ' + unit}"
    return f"{_digits(value)}{unit and ' ' + unit}"


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"
