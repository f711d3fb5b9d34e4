"""The section of a run whose recipe comes from a sweep: what was tried, what mattered, and whether it held."""

from __future__ import annotations

import math
from typing import Any

from lensmith.evaluation.spread import shown
from lensmith.report.drawing import draw_bar
from lensmith.report.markup import Html, join, number, table, tag
from lensmith.report.parallel import Line, draw_parallel
from lensmith.report.ranged import UNITS

_ENDED = {"pruned": "ended early", "failed": "failed", "running": "not over", "complete": ""}
_JUDGED = (
    "These figures chose the winner, so its own is too good: the best of many is lucky in part. What it is worth, "
    "the comparison says: by fresh seeds, on pictures that nothing was chosen on. None of them was held out."
)
_IMPORTANCE = (
    "Share of what parts the better trials from the others that each field explains (PED-ANOVA, arXiv 2304.10255). "
    "Of few trials it is a hint."
)


def sweep(facts: dict[str, Any]) -> Html:
    """From `RUN/sweep.json`; nothing where a run has none."""
    if not facts:
        return Html()
    return join(
        tag("p", facts["verdict"][:1].upper(), facts["verdict"][1:], "."),
        tag("p", "Of the pictures that are not held out, ", facts["grounds"], "."),
        _compared(facts["confirmed"]),
        _drawn(facts),
        _mattered(facts["importance"]),
        _tried(facts),
        tag("p", _JUDGED),
    )


def _compared(found: dict[str, Any] | None) -> Html:
    if found is None:
        return Html()
    form, apart, scale = UNITS[found["figure"]]
    rows: list[tuple[object, ...]] = [
        (f"seed {seed}", number(tried, form), number(usual, form), number(scale * (tried - usual), apart))
        for seed, tried, usual in zip(found["seeds"], found["tried"], found["usual"], strict=True)
    ]
    value = found["difference"]
    between = join(value.get("why") or "no interval")
    if value["low"] is not None and value["high"] is not None:
        ends = [number(scale * value[end], apart) for end in ("low", "high")]
        between = join(ends[0], " to ", ends[1])
    rows.append(("all", "", "", tag("div", number(scale * value["value"], apart), tag("small", between))))
    head = ("trained by", "the winner", "the default", "difference")
    words = f"The winner beside the default, by {found['figure'].replace('_', ' ')}, on {value['count']:,} pictures"
    return table(head, rows, words)


def _drawn(facts: dict[str, Any]) -> Html:
    """Every trial that has a figure, as a line through what it tried to how it did; the best is on top."""
    trials = [one for one in facts["trials"] if one["value"] is not None]
    if len(trials) < 2:
        return Html()
    values = [one["value"] for one in trials] + [facts["usual"]["value"]]
    low, high = min(values), max(values)
    figure, sign = facts["figure"], -1 if facts["lower_is_better"] else 1
    best = facts["best"]["number"] if facts["best"] else None
    lines = []
    for one in sorted(trials, key=lambda one: sign * one["value"]):
        places = [_place(axis, one["params"][axis["name"]]) for axis in facts["axes"]]
        places.append((one["value"] - low) / ((high - low) or 1))
        kind = "best" if one["number"] == best else "early" if one["state"] == "pruned" else "usual"
        lines.append(Line(places, kind))
    lines.sort(key=lambda line: line.kind == "best")
    axes = [(axis["name"], *_ends(axis)) for axis in facts["axes"]]
    axes.append((figure.replace("_", " "), shown(figure, high), shown(figure, low)))
    label = (
        f"{len(trials)} trials, from {shown(figure, low)} to {shown(figure, high)}; the best is drawn thick."
    )
    return draw_parallel(axes, lines, label)


def _place(axis: dict[str, Any], value: Any) -> float:
    if "values" in axis:
        words: list[Any] = axis["values"]
        return words.index(value) / max(1, len(words) - 1)
    low, high = float(axis["low"]), float(axis["high"])
    if axis["by_log"]:
        low, high, value = math.log(low), math.log(high), math.log(max(value, axis["low"]))
    return min(1.0, max(0.0, float(value - low) / (high - low)))


def _ends(axis: dict[str, Any]) -> tuple[str, str]:
    if "values" in axis:
        return _word(axis["values"][-1]), _word(axis["values"][0])
    return f"{axis['high']:g}", f"{axis['low']:g}"


def _word(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "auto", True: "true", False: "false"}[value]
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _mattered(importance: dict[str, float]) -> Html:
    rows = [(name, number(share, ".0%"), draw_bar(share, 0, share)) for name, share in importance.items()]
    return table(("field", "share", ""), rows, _IMPORTANCE)


def _tried(facts: dict[str, Any]) -> Html:
    """All trials, the best first, and the default among them."""
    figure, sign = facts["figure"], 1 if facts["lower_is_better"] else -1
    form = UNITS[figure][0]
    names = [axis["name"] for axis in facts["axes"]]
    usual = facts["usual"]
    rows = [
        (usual["value"], ("default", number(usual["value"], form), *["" for _ in names], _seconds(usual), ""))
    ]
    for one in facts["trials"]:
        value = one["value"] if one["state"] != "failed" else None
        how = _ENDED.get(one["state"], one["state"])
        tried = [_word(one["params"].get(name)) for name in names]
        why = f"{how}: {one['error']}" if one["error"] else how
        rows.append((value, (str(one["number"] + 1), number(value, form), *tried, _seconds(one), why)))
    rows.sort(key=lambda row: math.inf if row[0] is None else sign * row[0])
    head = ("trial", figure.replace("_", " "), *names, "seconds", "")
    return table(head, [row for _, row in rows], "All trials, the best first")


def _seconds(one: dict[str, Any]) -> Html:
    return number(one["seconds"], ",.1f")
