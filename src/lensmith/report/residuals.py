"""How a regression errs, from the JSON form of `evaluation.residuals.Residuals`."""

from __future__ import annotations

from typing import Any

from lensmith.report.drawing import draw_points
from lensmith.report.markup import Html, join, number, table, tag

_FORM = ",.3g"


def residuals(facts: dict[str, Any]) -> Html:
    """Said against true as a drawing, errors by the number said, and the worst ones."""
    if not facts:
        return Html()
    shares = facts["quantiles"]
    words = join(
        facts["verdict"],
        ". Said less true is between ",
        number(shares["5%"], _FORM),
        " and ",
        number(shares["95%"], _FORM),
        " for nine pictures in ten. ",
        label
        := "Said (up) against true (right), a dot for each picture; on the dashed line both are the same.",
    )
    bins = [
        (
            tag("span", number(one["low"], _FORM), " to ", number(one["high"], _FORM)),
            number(one["bias"]["count"]),
            _mean(one["bias"]),
            number(one["spread"], _FORM),
        )
        for one in facts["bins"]
    ]
    worst = [(one["file"], number(one["true"], _FORM), number(one["said"], _FORM)) for one in facts["worst"]]
    return join(
        tag("p", words),
        draw_points([(true, said) for true, said in facts["points"]], "true", label),
        table(("said", "pictures", "mean error", "spread"), bins, "Said less true, by the number said"),
        table(("picture", "true", "said"), worst, "Largest errors"),
    )


def _mean(facts: dict[str, Any]) -> Html:
    if facts["low"] is None:
        return join(number(facts["value"], _FORM), tag("small", facts.get("why", "")))
    ends = join(number(facts["low"], _FORM), " to ", number(facts["high"], _FORM))
    return tag("div", number(facts["value"], _FORM), tag("small", ends), class_="ranged")
