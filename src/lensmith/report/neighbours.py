"""The lines about the baseline of neighbours."""

from __future__ import annotations

from typing import Any

from lensmith.report.markup import Html, join, table, tag
from lensmith.report.ranged import UNITS, ranged

_BETTER = {None: "no difference that these pictures can show", "model": "the model is better"}


def neighbours(study: dict[str, Any]) -> Html:
    """From the JSON form of `evaluation.neighbours.BesideNeighbours`."""
    told = tag("p", study["verdict"], ".")
    if "baselines" not in study:
        return told
    form, signed, scale = UNITS[study["figure"]]
    rows = [("the model", ranged(study["model"], form), "", "")]
    rows += [
        (
            one["name"],
            ranged(one["value"], form),
            ranged(one["difference"], signed, scale),
            _BETTER.get(one["better"], "the neighbours are better"),
        )
        for one in study["baselines"]
    ]
    caption = (
        f"Each picture gets the answer of those of {study['known']:,} training pictures that a pretrained network "
        "sees as most alike; nothing is trained."
    )
    difference = "the model less that" + (", in points" if scale == 100 else "")
    return join(told, table(("answers of", study["figure"], difference, "so"), rows, caption))
