"""The lines about the baseline of neighbours."""

from __future__ import annotations

from typing import Any

from lensmith.report.markup import Html, join, number, table, tag

_BETTER = {None: "no difference that these pictures can show", "model": "the model is better"}
_UNIT = {"accuracy": (".1%", "+.1f", 100), "mean_ap": (".3f", "+.3f", 1), "mae": (",.3f", "+,.3f", 1)}


def neighbours(study: dict[str, Any]) -> Html:
    """From the JSON form of `evaluation.neighbours.BesideNeighbours`."""
    told = tag("p", study["verdict"], ".")
    if "baselines" not in study:
        return told
    form, signed, scale = _UNIT[study["figure"]]
    rows = [("the model", _ranged(study["model"], form, 1), "", "")]
    rows += [
        (
            one["name"],
            _ranged(one["value"], form, 1),
            _ranged(one["difference"], signed, scale),
            _BETTER.get(one["better"], "the neighbours are better"),
        )
        for one in study["baselines"]
    ]
    caption = (
        f"Each picture gets the answer of those of {study['known']:,} training pictures that a pretrained network sees as "
        "most alike; nothing is trained."
    )
    difference = "the model less that" + (", in points" if scale == 100 else "")
    return join(told, table(("answers of", study["figure"], difference, "so"), rows, caption))


def _ranged(value: dict[str, Any], form: str, scale: int) -> Html:
    if value["value"] is None:
        return tag("small", value.get("why", ""))
    if value["low"] is None or value["high"] is None:
        between = join(value.get("why", "no interval"))
    else:
        between = join(number(scale * value["low"], form), " to ", number(scale * value["high"], form))
    return tag("div", number(scale * value["value"], form), tag("small", between), class_="ranged")
