"""A commit read out of its raw object (git-commit-tree(1)), for where git's own formats cannot do it."""

import codecs
import contextlib
import re
from collections.abc import Sequence

from hub.commits.reader import LONGEST_NAME, LONGEST_SUBJECT, joined, seconds, text
from hub.commits.records import Row

_DATE = re.compile(rb"^(author|committer) [^\n]*> ?(-?\d{1,20})(?: [+-]\d+)?$", re.MULTILINE)
_AUTHOR = re.compile(rb"^author ([^<\n]*)<([^>\n]*)", re.MULTILINE)
_PARENT = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)
_TREE = re.compile(rb"tree ([0-9a-f]+)$", re.MULTILINE)
_ENCODING = re.compile(rb"^encoding ([!-~]{1,40})$", re.MULTILINE)
PYTHONS_OWN = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined"})
"""Nobody writes texts in them, and the time that punycode takes grows with the square of the length."""


def row(id_: bytes, commit: bytes, files: Sequence[bytes] | None) -> Row:
    """`files`: what it touches; None where nobody knows."""
    authored, committed = dates(commit)
    name, email = author(commit)
    return Row(
        id=id_,
        parents=len(parents(commit)),
        author_name=text(name, LONGEST_NAME),
        author_email=text(email, LONGEST_NAME),
        authored=seconds(int(authored)),
        committed=seconds(int(committed)),
        subject=text(subject(commit), LONGEST_SUBJECT),
        files_total=None if files is None else len(files),
        files=joined(files or ()),
    )


def parents(commit: bytes) -> list[bytes]:
    return [bytes.fromhex(name.decode()) for name in _PARENT.findall(_header(commit))]


def tree(commit: bytes) -> bytes:
    """Raises KeyError where it names none."""
    match = _TREE.match(commit)
    if match is None:
        raise KeyError("tree")
    return bytes.fromhex(match[1].decode())


def dates(commit: bytes) -> tuple[bytes, bytes]:
    """When it was authored and committed, in seconds. One that is missing is the other; without any: 0, as in git."""
    found = {match[1]: match[2] for match in _DATE.finditer(_header(commit))}
    authored, committed = found.get(b"author"), found.get(b"committer")
    return authored or committed or b"0", committed or authored or b"0"


def author(commit: bytes) -> tuple[bytes, bytes]:
    """Name and e-mail address, as UTF-8 where their encoding is known; empty where there is none."""
    match = _AUTHOR.search(_header(commit))
    if match is None:
        return b"", b""
    return _utf8(commit, match[1].rstrip()).replace(b"\0", b""), _utf8(commit, match[2]).replace(b"\0", b"")


def subject(commit: bytes) -> bytes:
    """The first paragraph of the message, on one line."""
    message = commit.partition(b"\n\n")[2].partition(b"\0")[0]
    lines: list[bytes] = []
    for line in message.split(b"\n"):
        if line.strip():
            lines.append(line.rstrip())
        elif lines:
            break
    return _utf8(commit, b" ".join(lines))


def _header(commit: bytes) -> bytes:
    return commit.partition(b"\n\n")[0]


def _utf8(commit: bytes, data: bytes) -> bytes:
    if match := _ENCODING.search(_header(commit)):
        # `decode` refuses those that are none of text, as zlib.
        with contextlib.suppress(LookupError, ValueError):
            name = match[1].decode()
            if codecs.lookup(name).name not in PYTHONS_OWN:
                return data.decode(name).encode()
    return data
