"""Rows as aligned columns."""

import datetime as dt
from collections.abc import Sequence

from hub.terminal import cells


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first row is the heading. Columns are two spaces apart."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def moment(at_ms: int | None) -> str:
    """In the time zone of whoever reads it; `-` for none."""
    if at_ms is None:
        return "-"
    return dt.datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
