"""How sure the model is, and how far that can be believed."""

from __future__ import annotations

from typing import Any

from lensmith.report.drawing import draw_reliability
from lensmith.report.markup import Html, join, number, table, tag

_SHARE = ".1%"


def certainty(facts: dict[str, Any], chosen: dict[str, Any]) -> Html:
    """The reliability diagram, its error, and what a threshold brings. facts: the study `reliability`; chosen: the
    calibration that is saved with the model, {} where it was not trained here."""
    if not facts:
        return Html()
    words = f"{facts['verdict'][:1].upper()}{facts['verdict'][1:]}."
    how = tag("p", f"How it was set: {chosen['why']}.") if chosen.get("why") else Html()
    bins = [
        (one["stated"], one["true"]["value"], one["true"]["low"], one["true"]["high"])
        for one in facts["bins"]
    ]
    rows = [
        ("log loss", number(facts["log_loss"], ".4f"), number(facts["log_loss_before"], ".4f")),
        (
            "gap between stated and true (ECE)",
            number(facts["ece"], ".4f"),
            number(facts["ece_before"], ".4f"),
        ),
    ]
    low, high = facts["ece_by_chance"]
    return join(
        tag("p", words),
        how,
        draw_reliability(bins, f"Stated probabilities and how often they came true. {words}"),
        tag(
            "p",
            "Each dot stands for equally many answers: across, the probability that was stated; up, the share of "
            "them that came true, with its 95% interval. Right probabilities lie on the slanted line.",
        ),
        table(
            ("", "with the temperature", "without"),
            rows,
            f"Exactly right probabilities would show a gap of {low:.4f} to {high:.4f} by chance on "
            f"{facts['count']:,} pictures. A gap has no interval of its own: chance only ever adds to it.",
        ),
        _thresholds(facts),
    )


def _thresholds(facts: dict[str, Any]) -> Html:
    answered, wrong = facts["answered"], facts["wrong"]
    rows: list[tuple[object, ...]] = [
        (
            join("in use: ", number(facts["threshold"], _SHARE)),
            _ranged(answered),
            _ranged(wrong),
        )
    ]
    for error, share in facts["possible"].items():
        at_most = join("at most ", number(float(error), ".0%"))
        rows.append(("the best there is", tag("div", number(share, _SHARE)), at_most))
    caption = (
        "Over a threshold an answer is given, under it the model says that it is not sure. The best ones are found "
        "in hindsight, on these pictures; max_error=0.02 has one chosen in training, on others."
    )
    return table(("threshold", "pictures that get an answer", "of these answers wrong"), rows, caption)


def _ranged(value: dict[str, Any]) -> Html:
    if value["low"] is None:
        return join(number(value["value"], _SHARE), tag("small", value.get("why", "")))
    ends = tag("small", number(value["low"], _SHARE), " to ", number(value["high"], _SHARE))
    return tag("div", number(value["value"], _SHARE), ends, class_="ranged")
