"""Which commit was made in which session. Pure; times are whole Unix seconds, as git has them.

Tier 1: a commit from 60 s before to 300 s after a commit action that the session recorded. Tier 2: a commit between the
session's first and last second, unless it lasted longer than 31 days. The time of a commit is its author's: a rebase or
an amend a week later does not take the work out of the session that did it. A session that names its author links to no
one else's commits.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

BEFORE_S = 60
AFTER_S = 300
LONGEST_S = 31 * 24 * 3600
"""A session that lasts longer is no evidence of what was made during it; its commit actions are."""
NEAR_S = 900
"""A commit that belongs to no session but missed one by no more than this is a near miss."""

COMMIT_ACTION, DURING_SESSION = "commit_action", "during_session"
BEFORE_START, AFTER_END, OTHER_AUTHOR = "before_start", "after_end", "other_author"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A commit, as far as this matters."""

    number: int
    at: int
    author_name: str = ""
    author_email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A session."""

    id: str
    first: int
    last: int
    actions: tuple[int, ...] = ()
    """Times of its commit actions, sorted."""
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    session: str
    commit: int
    tier: int
    first: int
    last: int
    """The window that the commit lies in."""
    margin_s: int
    """From the commit to the nearer edge of the window."""
    action: int | None
    """The nearest commit action, for tier 1."""
    rank: int
    """Within a tier, less is better: seconds to the action, or the margin below zero."""

    @property
    def rule(self) -> str:
        return COMMIT_ACTION if self.tier == 1 else DURING_SESSION


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    session: str
    commit: int
    off_s: int
    """Seconds outside the session; 0 where only the author is another."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    links: tuple[Link, ...]
    near_misses: tuple[NearMiss, ...]
    """Every pair; to show are those of commits without any link, and the nearest of each."""


@dataclass(frozen=True, slots=True)
class _Author:
    names: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        match = re.fullmatch(r"\s*(.*?)\s*<([^<>]*)>\s*", text)
        parts = [match[2]] if match and match[2] else [match[1] if match else text]
        return cls(frozenset(part.strip().casefold() for part in parts))

    def made(self, commit: Made) -> bool:
        return commit.author_name.strip().casefold() in self.names or commit.author_email.casefold() in self.names


def correlate(commits: Sequence[Made], spans: Sequence[Span]) -> Outcome:
    """Every link between `commits` (sorted by time) and `spans`, and what nearly was one."""
    times = [commit.at for commit in commits]
    links: list[Link] = []
    misses: list[NearMiss] = []
    for span in spans:
        author = _Author.parse(span.author) if span.author else None
        found: set[int] = set()
        for place in _reached(times, span):
            commit = commits[place]
            found.add(place)
            link = judged(commit, span)
            assert link is not None
            if author is None or author.made(commit):
                links.append(link)
            elif link.tier == 1:  # somebody else's commits during a session are nothing out of the way
                misses.append(NearMiss(session=span.id, commit=commit.number, off_s=0, why=OTHER_AUTHOR))
        for place in _beside(times, span):
            is_another = author is not None and not author.made(commits[place])
            if place not in found and not is_another:
                misses.append(missed(commits[place], span))
    return Outcome(links=tuple(links), near_misses=tuple(misses))


def judged(commit: Made, span: Span) -> Link | None:
    """The best link of the two, authors aside; None when the commit lies in no window of the session."""
    place = bisect_left(span.actions, commit.at)
    around = span.actions[max(0, place - 1) : place + 1]
    fitting = [action for action in around if action - BEFORE_S <= commit.at <= action + AFTER_S]
    if fitting:
        action = min(fitting, key=lambda at: (abs(commit.at - at), at))
        return _link(commit, span, tier=1, first=action - BEFORE_S, last=action + AFTER_S, action=action)
    if span.first <= commit.at <= span.last and not lasts_too_long(span.first, span.last):
        return _link(commit, span, tier=2, first=span.first, last=span.last, action=None)
    return None


def missed(commit: Made, span: Span) -> NearMiss:
    """How far a commit outside of the session is from it."""
    if commit.at < span.first:
        return NearMiss(session=span.id, commit=commit.number, off_s=span.first - commit.at, why=BEFORE_START)
    return NearMiss(session=span.id, commit=commit.number, off_s=commit.at - span.last, why=AFTER_END)


def _link(commit: Made, span: Span, *, tier: int, first: int, last: int, action: int | None) -> Link:
    margin_s = min(commit.at - first, last - commit.at)
    rank = -margin_s if action is None else abs(commit.at - action)
    return Link(
        session=span.id, commit=commit.number, tier=tier, first=first, last=last, margin_s=margin_s, action=action,
        rank=rank,
    )  # fmt: skip


def _reached(times: Sequence[int], span: Span) -> Iterator[int]:
    """The places of the commits that lie in any window of the session, each once."""
    upto = 0
    for first, last in _windows(span):
        start = max(upto, bisect_left(times, first))
        upto = max(upto, bisect_right(times, last))
        yield from range(start, upto)


def reach(span: Span) -> list[tuple[int, int]]:
    """The times out of which `correlate` needs the commits: in order, apart from each other, both ends inclusive."""
    beside = [(span.first - NEAR_S, span.first), (span.last, span.last + NEAR_S)]
    found: list[tuple[int, int]] = []
    for first, last in sorted([*_windows(span), *beside]):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def lasts_too_long(first: int, last: int) -> bool:
    return last - first > LONGEST_S


def _windows(span: Span) -> list[tuple[int, int]]:
    windows = [(action - BEFORE_S, action + AFTER_S) for action in span.actions]
    if not lasts_too_long(span.first, span.last):
        windows.append((span.first, span.last))
    return sorted(windows)


def _beside(times: Sequence[int], span: Span) -> Iterator[int]:
    """The places of the commits shortly before and shortly after the session."""
    yield from range(bisect_left(times, span.first - NEAR_S), bisect_left(times, span.first))
    yield from range(bisect_right(times, span.last), bisect_right(times, span.last + NEAR_S))
