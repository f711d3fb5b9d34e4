"""The section on folds: each model's figure on the pictures that it did not see."""

from __future__ import annotations

from typing import Any

from lensmith.report.drawing import draw_bar
from lensmith.report.markup import Html, join, number, table, tag

_MEANING = (
    "The interval says how far the figure may be off because these pictures are a sample. The spread says how much "
    "the model depends on which of them it learned from, and on which it was asked about. Each of these models "
    "learned from fewer pictures than the one that was kept, which learned from all of them."
)


def folds(facts: dict[str, Any] | None) -> Html:
    """The verdict, what its two numbers mean, and a row for each fold; nothing where there were no folds."""
    if not facts:
        return Html()
    share = facts["figure"] == "accuracy"
    form = ".1%" if share else ",.3f"
    rows = []
    for index, value in enumerate(facts["by_fold"], start=1):
        between, bar = join(value.get("why") or "no interval"), Html()
        if value["low"] is not None and value["high"] is not None:
            between = join(number(value["low"], form), " to ", number(value["high"], form))
            bar = draw_bar(value["value"], value["low"], value["high"]) if share else bar
        cell = tag("div", number(value["value"], form), bar, tag("small", between), class_="ranged")
        rows.append((f"fold {index}", number(value["count"]), cell))
    return join(
        tag("p", facts["verdict"]),
        tag("p", _MEANING),
        table(("fold", "pictures", facts["figure"].replace("_", " ")), rows, "Each fold's model"),
    )
