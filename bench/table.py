"""The runs of a row as Markdown: a line for each side, the ratios, and where the time goes."""

from __future__ import annotations

import os
import platform
import statistics
from importlib.metadata import version
from pathlib import Path

from running import Run

_OURS = "lensmith"
"""The side that the others are divided by."""


def table(runs: list[Run]) -> str:
    """Medians (least to most) of the runs that ended well; accuracies are means (each).

    Peak memory is the most of all runs, with the files that were mapped and without.
    """
    names = list(dict.fromkeys(run["side"] for run in runs))
    whole = [run for run in runs if run["ended"] == "ok"]
    figures = list(dict.fromkeys(name for run in runs for name in run.get("figures", {})))
    head = ["side", "runs", *figures, "wall s", "CPU s", "peak MB", "without files"]
    machines = dict.fromkeys(run["on"] for run in runs if "on" in run)
    rows = [*machines, "", _line(head), _line(["---"] * len(head))]
    for name in names:
        own = [run for run in whole if run["side"] == name]
        cells = [_figure(figure, own) for figure in figures]
        if own:
            cells += [_spread([run[key] for run in own]) for key in ("wall", "cpu")]
            cells += [str(max(run.get(key, 0) for run in own) or "–") for key in ("peak_mb", "own_mb")]
        else:
            cells += ["–"] * 4
        rows.append(_line([name, str(len(own)), *cells]))
    rows += ["", *_troubles(runs), *_ratios(whole, names, figures), *_parts(whole, names)]
    return "\n".join(rows)


def machine() -> str:
    """What it ran on."""
    model = platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    return f"{model}, {os.cpu_count()} cores, torch {version('torch')}, Python {platform.python_version()}"


def _figure(name: str, runs: list[Run]) -> str:
    values = [run["figures"][name] for run in runs if name in run["figures"]]
    if not values:
        return "–"
    if name == "accuracy":
        return f"{statistics.mean(values):.1%} ({', '.join(f'{value * 100:.1f}' for value in values)})"
    return _spread(values)


def _troubles(runs: list[Run]) -> list[str]:
    """A line for each run that did not end well."""
    lines = []
    for run in runs:
        about = f"{run['side']}, seed {run['seed']}: "
        if run["ended"] == "limit":
            reached = ", ".join(f"{name} {value:.4g}" for name, value in run["figures"].items())
            lines.append(
                f"{about}not reached in {run['wall']:.0f} s{f' (by then {reached})' if reached else ''}"
            )
        elif run["ended"] == "failed":
            last = (run["words"].strip().splitlines() or ["no words"])[-1]
            lines.append(f"{about}failed ({last})")
    return [*lines, ""] if lines else []


def _ratios(runs: list[Run], names: list[str], figures: list[str]) -> list[str]:
    """How each side's medians stand to ours."""
    keys = ["wall", "cpu", *(name for name in figures if name != "accuracy")]
    medians = {name: {key: _median(_values(runs, name, key)) for key in keys} for name in names}
    ours, lines = medians.pop(_OURS, {}), []
    for name, theirs in medians.items():
        both = [key for key in keys if theirs[key] and ours.get(key)]
        if len(both) > 2 or (both and len(keys) == 2):  # more than wall and CPU, where there is more
            ratios = (f"{key} {theirs[key] / ours[key]:.2f}x" for key in both)
            lines.append(f"{name} / {_OURS}: {', '.join(ratios)}")
    return [*lines, ""] if lines else []


def _values(runs: list[Run], side: str, key: str) -> list[float]:
    own = [run["figures"] | {"wall": run["wall"], "cpu": run["cpu"]} for run in runs if run["side"] == side]
    return [one[key] for one in own if key in one]


def _parts(runs: list[Run], names: list[str]) -> list[str]:
    """Median seconds of each part that a side tells of."""
    lines = []
    for name in names:
        own = [run["parts"] for run in runs if run["side"] == name and run["parts"]]
        parts = list(dict.fromkeys(part for one in own for part in one))
        told = [f"{part} {_median([one[part] for one in own if part in one]):.3g}" for part in parts]
        if told:
            lines.append(f"{name}: {', '.join(told)}")
    return lines


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else 0.0


def _spread(values: list[float]) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    form = ".2f" if middle < 10 else ",.1f" if middle < 1000 else ",.0f"
    return f"{middle:{form}} ({low:{form}} to {high:{form}})" if len(values) > 1 else f"{middle:{form}}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
