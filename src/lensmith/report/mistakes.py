"""The section of the worst mistakes: the pictures themselves, and what was confused with what."""

from __future__ import annotations

from typing import Any

from lensmith.report.markup import Html, join, number, table, tag
from lensmith.report.thumbnails import shots, thumbnail

_SHOWN = 24


def mistakes(study: dict[str, Any]) -> Html:
    """From the JSON form of `evaluation.mistakes.Mistakes`."""
    worst = study.get("worst", [])[:_SHOWN]
    pictures = [(thumbnail(one["file"], one["sha256"], one["file"]), _caption(one)) for one in worst]
    rows = [
        (
            pair["shows"],
            pair["said"],
            number(pair["count"]),
            number(pair["share"]["value"], ".1%"),
            _between(pair),
        )
        for pair in study.get("pairs", [])
    ]
    advice = Html()
    if pictures:
        advice = tag(
            "p",
            "The surest first. Where the picture is right and the label is wrong, mend the label: a model that "
            "learns from it, or is measured by it, suffers.",
        )
    head = ("picture shows", "model said", "pictures", "of those that show it", "95% interval")
    return join(
        tag("p", study["verdict"], "."), advice, shots(pictures), table(head, rows, "Confused most often")
    )


def _caption(one: dict[str, Any]) -> Html:
    """What it shows, what was said, how surely, and the file."""
    said = one["said"]
    if "error" in one:
        surely = join("off by ", number(one["error"], "+,.4g"))
    else:
        surely = join(f"{one['label']}: " if "label" in one else "", number(one["probability"], ".1%"))
    words = join(f"shows {one['shows']}, said {said} (", surely, ")")
    return join(words, tag("small", one["file"]))


def _between(pair: dict[str, Any]) -> Html:
    share = pair["share"]
    return join(number(share["low"], ".1%"), " to ", number(share["high"], ".1%"))
