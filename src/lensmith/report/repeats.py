"""What a repetition of another run, and trainings by other seeds, came to."""

from __future__ import annotations

from typing import Any

from lensmith.evaluation.spread import apart, shown, spread_from
from lensmith.report.drawing import draw_bar
from lensmith.report.markup import Html, join, number, table, tag
from lensmith.runs.differences import shown as in_words


def repetition(facts: dict[str, Any]) -> Html:
    """`facts.json`'s "repeats": whether the weights are equal, and what is not the same in both runs."""
    if "verdict" not in facts:
        return Html()
    rows = [
        (one["part"], one["name"], *(in_words(value) for value in one["values"]))
        for one in facts.get("differences", [])
    ]
    caption = "Not the same in both runs"
    return join(tag("p", facts["verdict"]), table(("part", "name", facts["run"], "this run"), rows, caption))


def seeds(facts: dict[str, Any]) -> Html:
    """`report.json`'s study "seeds": the figure of each seed, and how far they lie apart."""
    spread = spread_from(facts)
    if spread is None:
        return Html()
    is_share = spread.figure == "accuracy"
    form = ".1%" if is_share else ",.3f"
    rows = [
        (f"seed {seed}", number(value, form), draw_bar(value, value, value) if is_share else "")
        for seed, value in zip(spread.seeds, spread.values, strict=True)
    ]
    figure, deviation = spread.figure.replace("_", " "), spread.deviation
    between = deviation.why
    if deviation.low is not None and deviation.high is not None:
        between = (
            f"{apart(spread.figure, deviation.low)} to {apart(spread.figure, deviation.high)}, of the seeds"
        )
    rows.append(("mean", number(spread.mean, form), f"{shown(spread.figure, spread.mean)} on average"))
    rows.append(("standard deviation", number(deviation.value, ".4f"), between))
    caption = (
        "The same training by several seeds, on the same held-out pictures; the first is this run's model"
    )
    return join(tag("p", spread.verdict()), table(("training", figure, ""), rows, caption))
