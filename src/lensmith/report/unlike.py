"""The lines on pictures that the model marks as unlike its training pictures."""

from __future__ import annotations

from typing import Any

from lensmith.report.markup import Html, join, number, table, tag
from lensmith.report.ranged import ranged

_SHARE = ".1%"


def unlike(study: dict[str, Any]) -> Html:
    """From the JSON form of `evaluation.unlike.Unlike`."""
    told = tag("p", f"{study['verdict']}.")
    marked = study["marked"]
    count = round(marked["value"] * marked["count"])
    sides = (("marked", count, "right_marked"), ("not marked", marked["count"] - count, "right_others"))
    rows = [
        (name, number(many), ranged(study[key], _SHARE))
        for name, many, key in sides
        if study[key] is not None
    ]
    caption = (
        f"A picture is marked where it is farther than {study['limit']:.3f} from its neighbours among "
        f"{study['kept']:,} training pictures, by what the network's last layer is given (1 less the cosine). "
        "Its answer then counts as not sure."
    )
    return join(told, table(("pictures", "count", "answered rightly"), rows, caption) or tag("p", caption))
