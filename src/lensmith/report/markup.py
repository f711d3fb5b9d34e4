"""HTML from plain values. A string that is not markup yet is escaped on its way in, so none is forgotten."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def join(*parts: object) -> Html:
    """The parts one after the other, each escaped unless it is `Html`."""
    return Html("".join(p if isinstance(p, Html) else html.escape(str(p)) for p in parts))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element. `class_` becomes class, `aria_label` aria-label; an attribute that is None is left out."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in ("meta", "link", "br") else f"</{name}>"
    return Html(f"<{name}{words}>{join(*children)}{end}")


def number(value: float, form: str = ",") -> Html:
    """A figure in words, which carries the whole value with it; one that is not a number is a dash."""
    shown = format(value, form) if math.isfinite(value) else "–"
    return tag("data", shown, value=repr(value))


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], caption: str, foot: Sequence[object] = ()
) -> Html:
    """A table that scrolls by itself where it is too wide; the first cell of a row names the row.

    Columns whose cells are numbers (`int`, or made by `number`) stand to the right.
    """
    rows = list(rows)
    sides = [_side(cell) for cell in rows[0]] if rows else [None] * len(head)
    columns = [tag("th", name, scope="col", class_=side) for name, side in zip(head, sides, strict=True)]
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *columns)),
        tag("tbody", *[_row(row) for row in rows]),
        tag("tfoot", _row(foot)) if foot else "",
    )
    return scrolling(whole, caption)


def scrolling(content: Html, label: str) -> Html:
    """A box around something wide or long, which the keyboard can reach and scroll."""
    return tag("div", content, class_="scroll", role="region", aria_label=label, tabindex=0)


def _row(cells: Sequence[object]) -> Html:
    named = tag("th", cells[0], scope="row")
    return tag("tr", named, *[tag("td", _shown(cell), class_=_side(cell)) for cell in cells[1:]])


def _side(cell: object) -> str | None:
    return "right" if isinstance(cell, int) or (isinstance(cell, Html) and cell.startswith("<data")) else None


def _shown(cell: object) -> object:
    return number(cell) if isinstance(cell, int) else cell
