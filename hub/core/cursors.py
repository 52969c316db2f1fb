"""Cursors of lists: what a page gave out, read again."""

from hub.core.errors import BadRequest


def unknown_cursor() -> BadRequest:
    return BadRequest("That cursor is not one a page of this list gave out.")


def number(cursor: str) -> int:
    """A number in a cursor, not negative. Raises BadRequest."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise unknown_cursor()
    return int(cursor)
