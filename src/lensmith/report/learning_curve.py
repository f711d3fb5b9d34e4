"""The section "Would more pictures help?": the curve, its promise, and the classes that need pictures most."""

from __future__ import annotations

from typing import Any

from lensmith.report.band import Point, draw_band
from lensmith.report.markup import Html, join, number, table, tag
from lensmith.report.ranged import ranged

_PROXY = (
    "The curve is that of a linear head on what a pretrained network sees in the pictures, which takes seconds, and "
    "not of this run's model: how its errors fall is a hint at how the model's would."
)
_LIMITS = (
    "Measured with parts of the training pictures, on others of them: the held-out pictures are not looked at. "
    "A promise holds for more pictures of the same kind; new kinds can bring more."
)


def learning_curve(study: dict[str, Any]) -> Html:
    """From the JSON form of `evaluation.learning_curve.LearningCurve`."""
    told = tag("p", study["verdict"], ".")
    if "points" not in study:
        return told
    scale = 1 if study["task"] == "regression" else 100
    unit = "error" if scale == 1 else "% of errors"
    points = [_point(one["pictures"], one["error"], scale) for one in study["points"]]
    promised = [
        _point(study["count"], study["now"], scale),
        _point(2 * study["count"], study["twice"], scale),
    ]
    label = (
        f"{points[0][1]:.3g} {unit} with {points[0][0]:,.0f} training pictures, {points[-1][1]:.3g} with "
        f"{points[-1][0]:,.0f}; expected with {promised[1][0]:,.0f}: {promised[1][1]:.3g}."
    )
    rows = [
        (
            one["name"],
            number(one["recall"]["count"]),
            ranged(one["recall"], ".1%"),
            ranged(one["gain"], "+.1f", 100),
        )
        for one in study["classes"]
    ]
    caption = "What twice as many pictures would bring, the neediest class first"
    head = ("class", "pictures", "are found", "points that twice as many would bring")
    return join(
        told,
        draw_band(points, promised, f"training pictures, and {unit}", label),
        tag("p", f"{study['draws']} draws. ", _LIMITS, f" {_PROXY}" if study["is_proxy"] else ""),
        table(head, rows, caption),
    )


def _point(x: float, error: dict[str, Any], scale: int) -> Point:
    value = error["value"] or 0.0
    low, high = (value if end is None else end for end in (error["low"], error["high"]))
    return x, scale * value, scale * low, scale * high
