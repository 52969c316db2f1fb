"""HTML and SVG as values: whatever is not markup already is escaped."""

import html
from typing import Self


class Markup(str):
    """Text that may stand in a page as it is."""

    __slots__ = ()

    @classmethod
    def of(cls, text: str) -> Self:
        return text if isinstance(text, cls) else cls(html.escape(text))


VOID = frozenset({"br", "hr", "img", "link", "meta"})


def el(tag: str, *children: str, **attributes: str | float | bool | None) -> Markup:
    """An element. An attribute that is None or False is left out; `class_` and `http_equiv` are written as in HTML."""
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(str(value))}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{''.join(map(Markup.of, children))}</{tag}>")
