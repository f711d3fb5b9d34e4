"""How often the 95 % intervals that lensmith reports hold the true figure, by simulation.

    python bench/coverage.py                 # what is missing in bench/logs/coverage.json
    python bench/coverage.py --short         # a tenth of the draws, in half a minute, kept nowhere
    python bench/coverage.py --only mean_ap f1
    python bench/coverage.py --table         # the tables of docs/figures.md, renewed in their place

For each figure, pictures are drawn 50, 153 or 1,000 at a time from a population whose true figure is 0.5, 0.8, 0.9 or
0.95 (of errors and losses: that of a model which explains as much, or is right as often), and the library's own
function gives the interval. The truth is a closed form, or that of some hundred thousand pictures. Scores are
normal, a distance apart where a picture shows a class; cases differ in the number of classes, in how rare they are,
and in the shape of what is drawn. An interval that is withheld counts neither as held nor as missed; its share is
told, and a cell where it is more than 95 % is not counted.

One thread. A cell takes seconds; each is written when it is done, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from populations import CASES, Case, Cell

HERE = Path(__file__).parent
LOG, PAGE = HERE / "logs" / "coverage.json", HERE.parent / "docs" / "figures.md"
COUNTS, TRUTHS = (50, 153, 1000), (0.5, 0.8, 0.9, 0.95)
FEWEST = 0.05
"""The share of draws that have to have an interval for a cell to be counted."""


def key_of(case: Case, count: int, true: float) -> str:
    return f"{case.figure} | {case.name} | {count} | {true}"


def run_cell(cell: Cell, key: str, count: int, draws: int) -> dict[str, float]:
    draw, held, below, above, known = np.random.default_rng(zlib.crc32(key.encode())), 0, 0, 0, 0
    for _ in range(draws):
        value, truth = cell(draw, count)
        if value.low is None or value.high is None:
            continue
        known += 1
        below += truth < value.low
        above += truth > value.high
        held += value.low <= truth <= value.high
    told = known >= FEWEST * draws
    return {
        "draws": draws,
        "withheld": 1 - known / draws,
        "coverage": held / known if told else math.nan,
        "below": below / known if told else math.nan,
        "above": above / known if told else math.nan,
    }


def run(cases: Sequence[Case], cells: dict[str, Any], share_of_draws: float) -> Iterator[str]:
    """Fill in what is missing; yields the key of each cell that was run."""
    for case in cases:
        for true in TRUTHS:
            wanted = [count for count in COUNTS if key_of(case, count, true) not in cells]
            cell = case.make(true) if wanted else None
            for count in wanted if cell else ():
                key, draws = key_of(case, count, true), int(case.draws * share_of_draws)
                # Of 1,000 pictures half the draws tell as much: intervals are closer to their theory.
                found = run_cell(cell, key, count, draws if count < 1000 else draws // 2)  # type: ignore[arg-type]
                cells[key] = {name: None if math.isnan(n) else round(n, 4) for name, n in found.items()}
                yield key


def tables(cells: dict[str, Any]) -> str:
    """A line for each figure and case: least, mean and most of its cells, and how much is withheld."""
    lines = [
        "| figure | case | 50 | 153 | 1,000 | mean | least | withheld |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for figure in dict.fromkeys(case.figure for case in CASES):
        whole: list[float] = []
        names = [case.name for case in CASES if case.figure == figure]
        for name in names:
            own = {key: cell for key, cell in cells.items() if key.startswith(f"{figure} | {name} | ")}
            by_count = [
                [own.get(f"{figure} | {name} | {count} | {true}", {}).get("coverage") for true in TRUTHS]
                for count in COUNTS
            ]
            shown = [value for part in by_count for value in part if value is not None]
            whole += shown
            withheld = [c["withheld"] for c in own.values()] or [0.0]
            columns = [" ".join("–" if v is None else f"{100 * v:.1f}" for v in part) for part in by_count]
            lines.append(_line(figure, name, *columns, *_mean_and_least(shown), f"{np.mean(withheld):.0%}"))
        if len(names) > 1:
            lines.append(_line(f"**{figure}**", "**all**", "", "", "", *_mean_and_least(whole), ""))
    return "\n".join(lines)


def _mean_and_least(values: Sequence[float]) -> tuple[str, str]:
    return (f"{100 * np.mean(values):.1f}", f"{100 * min(values):.1f}") if values else ("–", "–")


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], help="figures whose name begins so")
    parser.add_argument("--table", action="store_true")
    words = parser.parse_args()
    cells = json.loads(LOG.read_text()) if LOG.exists() and not words.short else {}
    if words.table:
        text = PAGE.read_text(encoding="utf-8")
        made = f"<!-- coverage -->\n\n{tables(cells)}\n\n<!-- /coverage -->"
        PAGE.write_text(
            re.sub(r"<!-- coverage -->.*<!-- /coverage -->", lambda _: made, text, flags=re.S),
            encoding="utf-8",
        )
        return
    cases = [
        case
        for case in CASES
        if not words.only or case.figure.lower().startswith(tuple(word.lower() for word in words.only))
    ]
    for key in run(cases, cells, 0.1 if words.short else 1.0):
        print(key, cells[key], flush=True)
        if not words.short:
            LOG.write_text(json.dumps(cells, indent=1) + "\n")
    print(tables(cells))


if __name__ == "__main__":
    main()
