"""Cursors of lists: what a page gave out, read again."""

from hub.core.errors import BadRequest


def unknown_cursor() -> BadRequest:
    return BadRequest("That cursor is not one a page of this list gave out.", code="unknown_cursor")


def number(cursor: str) -> int:
    """A number in a cursor, not negative. Raises BadRequest."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise unknown_cursor()
    return int(cursor)


def moment(cursor: str) -> tuple[int, str]:
    """When a thing was created and its id, for lists that go by time: `moment_cursor` of it. Raises BadRequest."""
    created, _, id_ = cursor.partition("-")
    if not id_:
        raise unknown_cursor()
    return number(created), id_


def moment_cursor(created: int, id_: str) -> str:
    return f"{created}-{id_}"
