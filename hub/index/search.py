"""Searching: candidates in the order in which they are worth showing, checked one by one until the page is full."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hub.core.errors import HubError
from hub.index.answers import Answer, Opened, TimeUp, tell_problem
from hub.index.errors import NoIndex
from hub.index.index_file import reading
from hub.index.name_hits import path_hits, symbol_hits
from hub.index.patterns import Pattern
from hub.index.requests import Cursor, Place, Query
from hub.index.shelf import Shelf
from hub.index.text_hits import text_hits

MOST_LINES = 20_000
"""Of one page, whatever was asked for: some 10 MB."""


def search(shelf: Shelf, places: Sequence[Place], query: Query, deadline: float) -> Answer:
    """`deadline` in monotonic seconds. Raises BadQuery; projects that cannot be read are told as `problems`."""
    pattern = Pattern(query.text, is_regex=query.is_regex, ignore_case=query.ignores_case, word=query.word)
    if query.after is not None:
        query = replace(query, after=query.after.among(places))
    answer = Answer(total=query.after.seen if query.after else 0)
    try:
        with contextlib.ExitStack() as stack:
            opened = list(_open(shelf, places, answer, stack))
            for one in opened:
                indexed, of = one.volume.coverage
                answer.indexed, answer.of = answer.indexed + indexed, answer.of + of
            _fill(answer, opened, pattern, query, deadline)
    except TimeUp:
        answer.complete = answer.exact = False
        answer.goes_on = True
    return answer


def _open(shelf: Shelf, places: Sequence[Place], answer: Answer, stack: contextlib.ExitStack) -> Iterator[Opened]:
    for number, place in enumerate(places):
        try:
            database = stack.enter_context(reading(Path(place.index)))
            volume = shelf.volume(place, database)
            if volume.is_folder:
                volume.forget_source()  # what stands under its name may be another folder by now
            yield Opened(number=number, volume=volume, database=database)
        except NoIndex:
            if len(places) == 1:
                raise
        except (HubError, sqlite3.Error, OSError) as exc:
            tell_problem(answer, place, exc)


def _fill(answer: Answer, opened: Sequence[Opened], pattern: Pattern, query: Query, deadline: float) -> None:
    """Put items on the page until it is full, and say where the next one starts."""
    hits = {"text": text_hits, "symbol": symbol_hits, "path": path_hits}[query.kind]
    lines = 0
    for tier, one, key, make in hits(answer, opened, pattern, query):
        is_full = len(answer.items) == query.limit or lines >= MOST_LINES
        if is_full:  # and there may be one more
            answer.exact, answer.goes_on = False, True
            return
        if time.monotonic() > deadline:
            raise TimeUp
        here = Cursor(tier=tier, project=one.number, id=one.volume.place.id, key=key, seen=answer.total)
        try:
            item = make()
        except TimeUp:
            if answer.last is None:  # it had all the time, and would take as long again; another begins the next page
                answer.last = here
                answer.skipped.append({"project": one.volume.place.id, "path": one.volume.paths[make.file]})
            raise
        if item is not None:
            answer.items.append(item)
            answer.total += 1
            lines += len(item.get("lines", ()))
        answer.last = replace(here, seen=answer.total)
