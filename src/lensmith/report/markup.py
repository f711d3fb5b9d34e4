"""HTML from plain values. A string that is not markup yet is escaped on its way in, so none is forgotten."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

_EMPTY = ("img", "input")
"""Elements without an end."""


class Html(str):
    """Text that is markup already."""


def join(*parts: object) -> Html:
    """The parts one after the other, each escaped unless it is `Html`."""
    return Html("".join(part if isinstance(part, Html) else html.escape(str(part)) for part in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element; `class_` becomes class, `aria_label` aria-label; an attribute that is None is left out."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{words}>" + ("" if name in _EMPTY else f"{join(*children)}</{name}>"))


def number(value: float | None, form: str = ",") -> Html:
    """A figure as people read it, which carries its exact value; what is not a number is a dash."""
    value = math.nan if value is None else value
    return tag("data", format(value, form) if math.isfinite(value) else "–", value=repr(value))


def table(head: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> Html:
    """A table, or nothing without rows. A row's first cell names it; those made by `number` stand right."""
    rows = list(rows)
    if not rows:
        return Html()
    top = [tag("th", name, scope="col", class_=_side(cell)) for name, cell in zip(head, rows[0], strict=True)]
    lines = [
        tag("tr", tag("th", row[0], scope="row"), *[tag("td", cell, class_=_side(cell)) for cell in row[1:]])
        for row in rows
    ]
    return frame(caption, tag("thead", tag("tr", *top)), tag("tbody", *lines))


def frame(caption: str, *parts: Html, class_: str | None = None) -> Html:
    """The parts of a table, in a box that scrolls where they are too wide or long, by keyboard too."""
    inside = tag("table", tag("caption", caption), *parts, class_=class_)
    return tag("div", inside, class_="scroll", role="region", aria_label=caption, tabindex=0)


def _side(cell: object) -> str | None:
    return "right" if isinstance(cell, Html) and cell.startswith("<data") else None
