"""What is to be known of some documents: their languages, trigrams and symbols, or why they are left out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from hub.index import guards, postings, texts
from hub.index.errors import SourceGone
from hub.index.languages import by_content
from hub.index.source import Source, blob_id
from hub.index.symbols import KINDS, ParserSlow, symbols
from hub.index.trigrams import Codes, Trigrams

INDEXED, LEFT_OUT = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A document that is to be looked at."""

    doc: int
    oid: bytes
    path: bytes
    """One of its paths."""
    hint: str
    """The language that the path speaks of."""
    bytes: int = 0
    parse: bool = True
    """False once its parser has crashed."""

    def to_wire(self) -> list[Any]:
        return [self.doc, self.oid.hex(), self.path.hex(), self.hint, self.bytes, self.parse]

    @classmethod
    def from_wire(cls, wire: Sequence[Any]) -> "Wanted":
        doc, oid, path, hint, size, parse = wire
        return cls(doc=doc, oid=bytes.fromhex(oid), path=bytes.fromhex(path), hint=hint, bytes=size, parse=parse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What was found."""

    doc: int
    state: int
    lang: str = ""
    encoding: str = ""
    bytes: int = 0
    reason: str | None = None
    detail: str | None = None
    symbols: Sequence[tuple[str, int, int, int, str]] = ()
    """Name, place of the kind in KINDS, first and last line, parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Of a batch of documents; `buckets` are their posting lists, made relative to `low`."""

    documents: Sequence[Document]
    low: int
    buckets: Sequence[tuple[int, bytes]]


_KIND_PLACES = {kind: place for place, kind in enumerate(KINDS)}


class Analyst:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._trigrams = Trigrams()

    def analyse(self, wanted: Sequence[Wanted], begin: Callable[[int], None] = lambda _: None) -> Analysis:
        """`begin` is told the place of each document before anything is done with it."""
        low = min(one.doc for one in wanted)
        documents, found = [], []
        for place, one in enumerate(wanted):
            begin(place)
            document, codes = self._one(one)
            documents.append(document)
            if len(codes):
                found.append(codes.astype(np.uint64) << np.uint64(32) | np.uint64(one.doc - low))
        keys = np.concatenate(found) if found else np.zeros(0, np.uint64)
        keys.sort()
        return Analysis(documents=documents, low=low, buckets=list(postings.encode(keys)))

    def _one(self, wanted: Wanted) -> tuple[Document, Codes]:
        none: Codes = np.zeros(0, np.uint32)
        try:
            data = self._source.read(wanted.oid, wanted.path)
        except SourceGone as exc:
            return _left_out(wanted, "unreadable", detail=exc.message), none
        if data is None:
            return _left_out(wanted, "too_large", size=wanted.bytes), none
        size = len(data)
        if blob_id(data) != wanted.oid:
            return _left_out(wanted, "changed", size=size), none
        try:
            encoding, text = texts.decoded(data)
        except texts.NoText as exc:
            return _left_out(wanted, exc.reason, size=size), none
        lang = by_content(wanted.hint, text)
        if why := guards.generated_text(lang, text):
            return _left_out(wanted, "generated", why, size, lang), none
        reason, found = _symbols(wanted, lang, text)
        document = Document(
            doc=wanted.doc, state=INDEXED, lang=lang, encoding=encoding, bytes=size, reason=reason, symbols=found
        )
        return document, self._trigrams.of(text)


def _symbols(wanted: Wanted, lang: str, text: bytes) -> tuple[str | None, list[tuple[str, int, int, int, str]]]:
    if not wanted.parse:
        return "parser_crashed", []
    try:
        found = symbols(lang, text)
    except ParserSlow:
        return "parser_timeout", []
    return None, [(one.name, _KIND_PLACES[one.kind], one.line, one.end_line, one.parent) for one in found]


def _left_out(wanted: Wanted, reason: str, detail: str | None = None, size: int = 0, lang: str = "") -> Document:
    return Document(doc=wanted.doc, state=LEFT_OUT, lang=lang or wanted.hint, bytes=size, reason=reason, detail=detail)


_FIELDS = tuple(field.name for field in fields(Document))


def to_wire(analysis: Analysis) -> tuple[Any, bytes]:
    value = {
        "low": analysis.low,
        "documents": [[getattr(document, name) for name in _FIELDS] for document in analysis.documents],
        "buckets": [(bucket, len(data)) for bucket, data in analysis.buckets],
    }
    return value, b"".join(data for _, data in analysis.buckets)


def from_wire(value: Any, data: bytes) -> Analysis:
    def cut() -> Iterator[tuple[int, bytes]]:
        at = 0
        for bucket, size in value["buckets"]:
            yield bucket, data[at : at + size]
            at += size

    documents = [Document(**dict(zip(_FIELDS, document, strict=True))) for document in value["documents"]]
    return Analysis(documents=documents, low=value["low"], buckets=list(cut()))
