"""The sections of the page, each from the facts that it shows; without them it is empty."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from lensmith.evaluation.intervals import Value
from lensmith.evaluation.report import Report
from lensmith.report.drawing import draw_bar, draw_curve
from lensmith.report.markup import Html, frame, join, number, table, tag
from lensmith.runs.predictions import OUT_OF_FOLD
from lensmith.runs.recipe_words import field_help

_SHARE, _PLAIN = ".1%", ",.3f"
_SHARES = ("accuracy", "balanced_accuracy", "top_5_accuracy", "exact_match")
"""Figures shown in percent, on a line from 0 to 1."""
_CALLED = {"roc_auc": "ROC-AUC", "mean_ap": "mean AP", "f1": "F1", "r2": "R²"}
"""Figures whose names are not their words."""
_GUESSES = {
    "classification": "always saying {}, the commonest class",
    "multilabel": "{}",
    "regression": "always saying the median, {}",
}
"""What a report's baseline answers, instead of a model."""
_MATRIX, _SKIPPED = 20, 200
"""Of more classes no matrix can be read, and the most confused pairs stand for it; files listed by name."""


def figures(report: Report) -> Html:
    """Each measured figure with its interval."""
    if not report.values:
        return Html()
    cards = [
        tag("div", tag("h3", _called(name)), _ranged(value, name in _SHARES), class_="card")
        for name, value in report.values.items()
    ]
    held_out = f"held out from training, looks so far: {report.seen}" if report.held_out else "not held out"
    words = f"Measured on {report.count:,} pictures of {report.split} ({held_out}). Ranges are 95% intervals."
    if report.split == OUT_OF_FOLD:
        words = words.replace(
            " of out of fold (held out from training, ", " out of fold (not seen by the model asked, "
        )
    return join(tag("p", words, _beside(report)), tag("div", *cards, class_="cards"))


def _beside(report: Report) -> Html:
    """What no model would get, and by how much the model is better."""
    if report.baseline is None:
        return Html()
    guess, form = report.baseline, _SHARE if report.main in _SHARES else _PLAIN
    value, apart = guess.value, guess.difference
    of_guess = _ends(value, form) if value.low is not None else Html()
    told = f" For comparison, {_GUESSES[report.task].format(guess.answer)}: {_called(report.main)} "
    luck = "p < 0.001" if guess.chance < 0.001 else f"p = {guess.chance:.2g}"
    if apart.low is None:
        return join(told, number(value.value, form), of_guess, ".")
    model = join(
        " The model differs by ", number(apart.value, f"+{form}"), _ends(apart, f"+{form}"), f"; {luck}."
    )
    return join(told, number(value.value, form), of_guess, ".", model)


def _ends(value: Value, form: str) -> Html:
    return join(" (", number(value.low, form), " to ", number(value.high, form), ")")


def _called(name: str) -> str:
    return _CALLED.get(name, name.replace("_", " "))


def _ranged(value: Value, is_share: bool = True) -> Html:
    form, bar, between = _SHARE if is_share else _PLAIN, Html(), join(value.why or "no interval")
    if value.low is not None and value.high is not None:
        bar = draw_bar(value.value, value.low, value.high) if is_share else bar
        between = join(number(value.low, form), " to ", number(value.high, form))
    return tag("div", number(value.value, form), bar, tag("small", between), class_="ranged")


def classes(report: Report) -> Html:
    """Recall and precision per class, with intervals."""
    rows = []
    chosen = any(c.threshold is not None for c in report.per_class)
    for c in report.per_class:
        shares = _ranged(c.recall), _ranged(c.precision), _between(c.f1)
        ranks = [join("–") if one is None else _between(one) for one in (c.roc_auc, c.average_precision)]
        row = [c.name, number(c.count), *shares, *ranks]
        rows.append([*row, number(c.threshold, _PLAIN)] if chosen else row)
    caption = (
        "Recall: share of a class that was found. Precision: share of its answers that were right. F1: both in one. "
        "ROC-AUC: the chance that its score is higher for a picture that shows it than for one that does not. "
        "AP: the mean of the precisions down to each picture that shows it, by score."
    )
    head = (
        "class",
        "pictures",
        "recall",
        "precision",
        "F1",
        "ROC-AUC",
        "AP",
        *(("said from",) if chosen else ()),
    )
    return table(head, rows, caption)


def _between(value: Value) -> Html:
    """A figure with its interval in small."""
    if value.low is None or value.high is None:
        return join(number(value.value, _PLAIN), tag("small", value.why))
    ends = join(number(value.low, _PLAIN), " to ", number(value.high, _PLAIN))
    return tag("div", number(value.value, _PLAIN), tag("small", ends), class_="ranged")


def confusion(report: Report) -> Html:
    """What was taken for what: the whole matrix, or of many classes the most confused pairs."""
    names, counts = report.classes, report.confusion
    if not counts or len(names) > _MATRIX:
        return _pairs(report)
    lines = [
        tag("tr", tag("th", names[i], scope="row"), *[_cell(n, sum(row), i == j) for j, n in enumerate(row)])
        for i, row in enumerate(counts)
    ]
    top = tag("tr", tag("td"), *[tag("th", tag("span", name), scope="col") for name in names])
    caption = "Rows: what pictures show. Columns: what the model said. Shaded by share of the row."
    kind = "matrix upright" if max(map(len, names)) > 3 else "matrix"
    matrix = frame(caption, tag("thead", top), tag("tbody", *lines), class_=kind)
    return join(matrix, _pairs(report)) if len(names) > 2 else matrix


def _pairs(report: Report) -> Html:
    rows = [(pair.shows, pair.said, number(pair.count), _ranged(pair.share)) for pair in report.confused]
    return table(("picture shows", "model said", "pictures", "of the class"), rows, "Most confused pairs")


def _cell(count: int, of_row: int, is_right: bool) -> Html:
    kind = "none" if not count else "hit" if is_right else "miss"
    return tag("td", number(count), class_=kind, style=f"--share:{count / of_row:.3f}" if count else None)


def data(facts: dict[str, Any]) -> Html:
    """Pictures per class and split, and the files that were skipped, with reasons."""
    splits = {name: part for name, part in facts.items() if isinstance(part, dict) and "count" in part}
    rows = [["all", *[number(part["count"]) for part in splits.values()]]]
    for name in facts["classes"]:
        rows.append([name, *[number(part["classes"].get(name, 0)) for part in splits.values()]])
    reasons = [(one["file"], one["reason"]) for one in facts["skipped"]]
    caption = f"Skipped files ({min(_SKIPPED, len(reasons))} of {len(reasons):,})"
    return join(
        *[tag("p", words) for words in (f"{facts['source']}, split {facts['split']}", *facts["notes"])],
        table(("class", *splits), rows, "Pictures per class and split"),
        table(("file", "reason"), reasons[:_SKIPPED], caption) or tag("p", "No file was skipped."),
    )


def training(lines: list[dict[str, Any]], smoothing: float) -> Html:
    """The loss by epoch, and what was changed on the way."""
    points = [(line["index"], line["train_loss"]) for line in lines if "index" in line]
    notes = [tag("p", line["note"]) for line in lines if "note" in line]
    if not points:
        return Html()
    ends = (f"{loss:.3f} in epoch {index}" for index, loss in dict.fromkeys((points[0], points[-1])))
    words = f"Mean loss on the training pictures: {', '.join(ends)}."
    floor = f" Label smoothing ({smoothing:g}) keeps it above 0." if smoothing else ""
    return join(tag("p", words, floor), draw_curve(points, "epoch", words), *notes)


def choices(recipe: dict[str, Any], reasons: dict[str, str]) -> Html:
    """Every field of the recipe, with why it is what it is."""
    known = {name: (default, words) for name, default, words in field_help()}
    rows = []
    for name, value in recipe.items():
        default, words = known.get(name, ("", ""))
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        reason = reasons.get(name) or ("default" if shown == default else "given")
        rows.append([join(name, tag("small", words)), shown.removesuffix(".0"), reason])
    return table(("field", "value", "why"), rows, "The resolved recipe")


def machine(facts: dict[str, Any]) -> Html:
    """How long each stage took, where, and with which versions."""
    seconds: dict[str, float] = facts.get("seconds", {})
    most = max(seconds.values(), default=0) or 1
    stages = [(name, number(s, ",.1f"), draw_bar(s / most, 0, s / most)) for name, s in seconds.items()]
    places = {**facts.get("machine", {}), **facts.get("versions", {})}
    times = table(("stage", "seconds", "share"), stages, "Seconds by stage")
    return join(times, speed(facts), table(("part", "version"), places.items(), "Machine and versions"))


def speed(facts: dict[str, Any]) -> Html:
    """How fast the finished model answers."""
    if "speed" not in facts:
        return Html()
    said = facts["speed"]
    latency, rate = number(said["latency"] * 1e3, ".3g"), number(said["rate"], ",.0f")
    words = join("Answering, decoding not counted: one picture takes ", latency, " ms; of many, ", rate)
    return tag("p", words, f" a second are computed ({said['engine']}, threads: {said['threads']}).")


def left_out(studies: dict[str, str], run: Path) -> Html:
    """What was not looked into, and the command that does."""
    if not studies:
        return Html()
    rows = [(name.replace("_", " "), why) for name, why in studies.items()]
    line = shlex.join(("lensmith", "report", str(run), "--full"))
    return join(table(("study", "why"), rows, "To be added by"), tag("pre", tag("code", line), tabindex=0))


def repeat(source: str, recipe_file: Path) -> Html:
    """The command that trains this again."""
    line = shlex.join(("lensmith", "train", source, "--recipe", str(recipe_file)))
    return tag("pre", tag("code", line), tabindex=0) if recipe_file.exists() else Html()
