"""A figure with its interval in small, from its JSON form."""

from __future__ import annotations

from typing import Any

from lensmith.report.markup import Html, join, number, tag

UNITS = {"accuracy": (".1%", "+.1f", 100), "mean_ap": (".3f", "+.3f", 1), "mae": (",.3f", "+,.3f", 1)}
"""Of the figures that models are compared by: how one is shown, how a difference, and what that is multiplied by."""


def ranged(value: dict[str, Any], form: str, scale: int = 1) -> Html:
    """From the JSON form of `evaluation.intervals.Value`, times `scale`; where a number lacks it says why."""
    why = value.get("why") or "no interval"
    if value["value"] is None:
        return tag("small", why)
    between = join(why)
    if value["low"] is not None and value["high"] is not None:
        between = join(number(scale * value["low"], form), " to ", number(scale * value["high"], form))
    return tag("div", number(scale * value["value"], form), tag("small", between), class_="ranged")
