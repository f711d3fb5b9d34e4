"""The sections of the page: each takes the contents of a run and is empty where they do not suffice."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import Any

from lensmith.evaluation.intervals import Value
from lensmith.evaluation.report import Report
from lensmith.report.contents import Contents
from lensmith.report.drawing import draw_bar, draw_curve
from lensmith.report.markup import Html, join, number, scrolling, table, tag
from lensmith.runs.recipe import field_help

NOTHING = Html()
MATRIX_CLASSES = 20
"""With more classes than this the matrix cannot be read, and the most confused pairs stand for it."""
_PAIRS = 20
_SKIPPED = 100
_SHARES = ("accuracy", "balanced_accuracy")
"""Figures shown in percent, on a line from 0 to 1."""
_SHARE, _PLAIN = ".1%", ",.3f"


def figures(contents: Contents) -> Html:
    """Each measured figure with its interval."""
    report = contents.report
    if report is None:
        return NOTHING
    cards = [_card(name, value, report) for name, value in report.values.items()]
    seen = "once" if report.seen <= 1 else f"{report.seen} times"
    held_out = f"held out from training and looked at {seen}" if report.held_out else "not held out"
    words = f"Measured on {report.count:,} pictures of {report.split or 'this data'}, {held_out}. "
    return join(tag("p", words, "Ranges are 95% intervals."), tag("div", *cards, class_="cards"))


def _card(name: str, value: Value, report: Report) -> Html:
    form = _SHARE if name in _SHARES else _PLAIN
    known = value.low is not None and value.high is not None
    is_main = name == "accuracy" and report.baseline is not None
    baseline = join(number(report.baseline or 0, form), " by always saying the commonest class")
    return tag(
        "div",
        tag("h3", name.replace("_", " ").capitalize()),
        tag("p", number(value.value, form), class_="big"),
        draw_bar(value.low or 0, value.high or 0, value.value, report.baseline if is_main else None)
        if known and form == _SHARE
        else "",
        tag("p", _between(value, form), class_="between"),
        tag("p", baseline, class_="between") if is_main else "",
        class_="card",
    )


def _between(value: Value, form: str) -> Html:
    if value.low is None or value.high is None:
        return join(value.why or "no interval")
    return join(number(value.low, form), " to ", number(value.high, form))


def data(contents: Contents) -> Html:
    """Pictures per class and split, and the files that were skipped, with reasons."""
    facts = contents.data
    splits = {name: part for name, part in facts.items() if isinstance(part, dict) and "count" in part}
    if not splits:
        return NOTHING
    words = f"{facts.get('source', '')}. Splits {facts.get('split', '')}."
    rows = [
        [name, *[part.get("classes", {}).get(name, 0) for part in splits.values()]]
        for name in facts.get("classes", [])
    ]
    total = ["all", *[part["count"] for part in splits.values()]]
    skipped = facts.get("skipped", [])
    return join(
        tag("p", words),
        *[tag("p", note) for note in facts.get("notes", [])],
        table(["class", *splits], rows or [total], "Pictures per class and split", total if rows else ()),
        _skipped(skipped) if skipped else tag("p", "No file was skipped."),
    )


def _skipped(skipped: list[dict[str, Any]]) -> Html:
    left = len(skipped) - _SKIPPED
    more = f"{left:,} more are listed in facts.json." if left > 0 else ""
    rows = [[one["file"], one["reason"]] for one in skipped[:_SKIPPED]]
    return join(
        table(["file", "reason"], rows, f"Skipped: {len(skipped):,} files"), tag("p", more) if more else ""
    )


def training(contents: Contents) -> Html:
    """The loss by epoch."""
    points = [(epoch["index"], epoch["train_loss"]) for epoch in contents.epochs if "train_loss" in epoch]
    if not points:
        return NOTHING
    last, loss = points[-1]
    words = f"Mean loss on the training pictures: {points[0][1]:.3f} in epoch {points[0][0]}, {loss:.3f} in epoch {last}."
    smoothing = contents.recipe.get("label_smoothing")
    why = f" Label smoothing ({smoothing:g}) keeps it above 0." if smoothing else ""
    return join(tag("p", words, why), draw_curve(points, "epoch", words))


def classes(contents: Contents) -> Html:
    """Recall and precision per class, with intervals."""
    if contents.report is None or not contents.report.per_class:
        return NOTHING
    rows = [
        [c.name, c.count, _ranged(c.recall), _ranged(c.precision), number(c.f1, _PLAIN)]
        for c in contents.report.per_class
    ]
    words = "Recall: share of a class's pictures that were found. Precision: share of its answers that were right."
    head = ["class", "pictures", "recall", "precision", "F1"]
    return join(tag("p", words), table(head, rows, "Recall and precision per class"))


def _ranged(value: Value) -> Html:
    if value.low is None or value.high is None:
        return tag("span", value.why or number(value.value, _SHARE), class_="between")
    return tag(
        "div",
        number(value.value, _SHARE),
        draw_bar(value.low, value.high, value.value),
        tag("span", _between(value, _SHARE), class_="between"),
        class_="ranged",
    )


def confusion(contents: Contents) -> Html:
    """What was taken for what: the whole matrix, or the most confused pairs of many classes."""
    report = contents.report
    if report is None or not report.confusion:
        return NOTHING
    if len(report.classes) <= MATRIX_CLASSES:
        return _matrix(report.classes, report.confusion)
    pairs = [
        (times, shown, said)
        for shown, row in enumerate(report.confusion)
        for said, times in enumerate(row)
        if times and shown != said
    ]
    worst = sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:_PAIRS]
    rows = [
        [report.classes[i], report.classes[j], n, number(n / sum(report.confusion[i]), _SHARE)]
        for n, i, j in worst
    ]
    if not rows:
        return tag("p", "No picture was taken for another class.")
    return table(["picture shows", "model said", "pictures", "of the class"], rows, "Most confused pairs")


def _matrix(names: list[str], counts: list[list[int]]) -> Html:
    caption = "Rows: what the pictures show. Columns: what the model said. Shaded by share of the row."
    head = [tag("th", tag("span", name), scope="col") for name in names]
    rows = []
    for i, row in enumerate(counts):
        cells = [
            tag("td", number(n), class_=_shade(i == j, n), style=f"--share:{n / sum(row):.3f}" if n else None)
            for j, n in enumerate(row)
        ]
        rows.append(tag("tr", tag("th", names[i], scope="row"), *cells))
    body = tag("thead", tag("tr", tag("td"), *head)) + tag("tbody", *rows)
    return scrolling(tag("table", tag("caption", caption), Html(body), class_="matrix"), "Confusion matrix")


def _shade(is_right: bool, count: int) -> str:
    return "none" if not count else "hit" if is_right else "miss"


def choices(contents: Contents) -> Html:
    """Every field of the recipe, with why it is what it is."""
    reasons = contents.facts.get("choices", {})
    known = {name: (default, words) for name, default, words in field_help()}
    rows = []
    for name, value in contents.recipe.items():
        default, words = known.get(name, ("", ""))
        shown = str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")
        reason = reasons.get(name) or ("default" if shown == default.removesuffix(".0") else "given")
        rows.append([join(name, tag("small", words)), shown, reason])
    return table(["field", "value", "why"], rows, "The resolved recipe") if rows else NOTHING


def machine(contents: Contents) -> Html:
    """Where it ran, with what, and how long each stage took."""
    facts = contents.facts
    places = {**facts.get("machine", {}), **facts.get("versions", {})}
    seconds = dict(facts.get("seconds", {}))
    total = seconds.pop("total", sum(seconds.values()))
    stages = [
        [name, number(s, ",.1f"), draw_bar(0, min(1.0, s / (total or 1)))] for name, s in seconds.items()
    ]
    foot = ["total", number(total, ",.1f"), ""]
    pair = [
        table(["stage", "seconds", ""], stages, "Seconds by stage", foot) if stages else "",
        table(["", ""], places.items(), "Machine and versions") if places else "",
    ]
    return tag("div", *pair, class_="pair") if any(pair) else NOTHING


def repeat(contents: Contents) -> Html:
    """The command that trains this again."""
    if not contents.recipe:
        return NOTHING
    source = contents.data.get("source") or "DATA"
    words = ["lensmith", "train", source, "--recipe", str(contents.run.recipe_file)]
    line = shlex.join(words) if os.name == "posix" else subprocess.list2cmdline(words)
    return tag("pre", tag("code", line), tabindex=0)
