"""How often the 95 % intervals that lensmith reports hold the true figure, by simulation.

    python bench/coverage.py                 # what is missing in bench/logs/coverage.json
    python bench/coverage.py --short         # a tenth of the draws, in a minute or two, kept nowhere
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from lensmith.evaluation.intervals import Value, f1, mean, proportion
from lensmith.evaluation.metrics import balanced_accuracy, log_loss, measure, softmax
from lensmith.evaluation.multilabel import mean_f1
from lensmith.evaluation.paired import paired_difference, paired_means
from lensmith.evaluation.precision import average_precision, mean_parts, mean_precision
from lensmith.evaluation.ranking import mean_area, rank, roc_auc
from lensmith.evaluation.regression import r2, root_mean_square

HERE = Path(__file__).parent
LOG, PAGE = HERE / "logs" / "coverage.json", HERE.parent / "docs" / "figures.md"
COUNTS, TRUTHS = (50, 153, 1000), (0.5, 0.8, 0.9, 0.95)
FEWEST = 0.05
"""The share of draws that have to have an interval for a cell to be counted."""
Draw = np.random.Generator
Array = np.ndarray[Any, Any]
Cell = Callable[[Draw, int], tuple[Value, float]]
"""A draw of so many pictures -> the figure with its interval, and the truth."""


@dataclass(frozen=True)
class Case:
    """A figure in one kind of population. make: the truth aimed at -> one draw, or None where there is no such."""

    figure: str
    name: str
    make: Callable[[float], Cell | None]
    draws: int = 2000


# ---- shares, all in closed form


def share(true: float) -> Cell:
    return lambda draw, count: (proportion(int(draw.binomial(count, true)), count), true)


def recall(rare: float) -> Callable[[float], Cell]:
    """Of a class that this share of the pictures shows."""
    return lambda true: (
        lambda draw, count: (
            proportion(int(draw.binomial(shown := int(draw.binomial(count, rare)), true)), shown),
            true,
        )
    )


def f1_of(rare: float) -> Callable[[float], Cell]:
    """One class: as many pictures of it are missed as others are taken for it."""

    def make(true: float) -> Cell:
        cells = [rare * true, rare * (1 - true), rare * (1 - true), 1 - rare * (2 - true)]

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            right, missed, false, _ = (int(n) for n in draw.multinomial(count, cells))
            return f1(right, right + missed, right + false), true

        return one

    return make


def balanced(shares: Sequence[float], spread: float) -> Callable[[float], Cell]:
    def make(true: float) -> Cell:
        recalls = true + np.linspace(1, -1, len(shares)) * min(spread, 0.9 * (1 - true))

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            shown = draw.multinomial(count, shares)
            return balanced_accuracy(draw.binomial(shown, recalls), shown), float(recalls[shown > 0].mean())

        return one

    return make


def paired_shares(alone: float) -> Callable[[float], Cell]:
    """The first model is right as often as the truth says; the second alone on this share of the others."""

    def make(true: float) -> Cell:
        second, first = (1 - true) * alone, true * alone / 3
        cells = [first, second, 1 - first - second]

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            a, b, _ = (int(n) for n in draw.multinomial(count, cells))
            return paired_difference(a, b, count), first - second

        return one

    return make


# ---- scores: normal, a distance apart

GRID = np.linspace(-9, 14, 4601)


def tail(cuts: Array) -> Array:
    return np.array([math.erfc(cut / math.sqrt(2)) / 2 for cut in cuts])


def true_ap(distance: float, rare: float, narrow: float) -> float:
    hits, false = tail((GRID - distance) / narrow), tail(GRID)
    precision = rare * hits / (rare * hits + (1 - rare) * false + 1e-300)
    return float((-np.diff(hits) * (precision[1:] + precision[:-1]) / 2).sum())


def solve(figure: Callable[[float], float], true: float, least: float = 0.0) -> float | None:
    """The distance at which a figure that grows with it has this value."""
    low, high = least, 9.0
    if figure(low) > true + 1e-9:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if figure(middle) < true else (low, middle)
    return low


def labels(
    draw: Draw, count: int, shares: Array, distance: float, narrow: float, alike: float
) -> tuple[Array, Array]:
    """Scores and what is shown, [N, L]; `alike`: the correlation of labels, and of scores, in a picture."""

    def normal() -> Array:
        common = draw.normal(size=(count, 1)) * math.sqrt(alike)
        return common + draw.normal(size=(count, len(shares))) * math.sqrt(1 - alike)

    shown = normal() > [NormalDist().inv_cdf(1 - share) for share in shares]
    noise = normal()
    return np.where(shown, noise * narrow + distance, noise), shown


def ap_of(rare: float, narrow: float) -> Callable[[float], Cell | None]:
    def make(true: float) -> Cell | None:
        distance = solve(lambda d: true_ap(d, rare, narrow), true, 0.1)
        if distance is None:
            return None

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            scores, shown = labels(draw, count, np.array([rare]), distance, narrow, 0.0)
            found = average_precision(rank(scores[:, 0], shown[:, 0]))
            return (Value(math.nan, None, None, count) if found is None else found.value), true

        return one

    return make


def area_of(rare: float, narrow: float) -> Callable[[float], Cell]:
    def make(true: float) -> Cell:
        distance = solve(lambda d: 1 - tail(np.array([d / math.hypot(1, narrow)]))[0], true) or 0.0

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            scores, shown = labels(draw, count, np.array([rare]), distance, narrow, 0.0)
            found = roc_auc(rank(scores[:, 0], shown[:, 0]))
            return (Value(math.nan, None, None, count) if found is None else found.value), true

        return one

    return make


def over_labels(figure: str, shares: Sequence[float], alike: float) -> Callable[[float], Cell | None]:
    """A mean over labels: mean_ap, roc_auc, f1 or exact_match."""
    rare = np.array(shares)

    def truth(distance: float) -> float:
        if figure == "mean_ap":
            return float(np.mean([true_ap(distance, p, 1.0) for p in rare]))
        if figure == "roc_auc":
            return float(1 - tail(np.array([distance / math.sqrt(2)]))[0])
        cuts = distance / 2 + np.log((1 - rare) / rare) / distance
        hits, false = rare * tail(cuts - distance), (1 - rare) * tail(cuts)
        return float((2 * hits / (hits + false + rare)).mean())

    def make(true: float) -> Cell | None:
        distance = solve(truth, true, 0.1 if figure == "mean_ap" else 0.0 if figure == "roc_auc" else 0.5)
        if distance is None:
            return None
        cuts = distance / 2 + np.log((1 - rare) / rare) / max(distance, 1e-9)

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            scores, shown = labels(draw, count, rare, distance, 1.0, alike)
            if figure == "f1":
                return mean_f1(shown, scores >= cuts), true
            ranked = [rank(scores[:, i], shown[:, i]) for i in range(len(rare))]
            if figure == "roc_auc":
                return mean_area([a for a in map(roc_auc, ranked) if a is not None], count), true
            return mean_precision([p for p in map(average_precision, ranked) if p is not None], count), true

        return one

    return make


def paired_precision(shares: Sequence[float]) -> Callable[[float], Cell | None]:
    """The difference of two models' mean average precision on the same pictures, the second a little worse."""
    rare = np.array(shares)

    def truth(distance: float) -> float:
        return float(np.mean([true_ap(distance, p, 1.0) for p in rare]))

    def make(true: float) -> Cell | None:
        distance = solve(truth, true, 0.5)
        if distance is None:
            return None
        apart = truth(distance) - truth(distance * 0.9)

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            scores, shown = labels(draw, count, rare, 0.0, 1.0, 0.2)
            parts = []
            for far in (distance, distance * 0.9):
                own = math.sqrt(0.6) * scores + math.sqrt(0.4) * draw.normal(size=scores.shape) + far * shown
                found = [average_precision(rank(own[:, i], shown[:, i])) for i in range(len(rare))]
                known = [p for p in found if p is not None]
                value = mean_precision(known, count)
                if value.low is None:
                    return value, apart
                parts.append(value.value + mean_parts(known))
            return paired_means(*parts)[0], apart

        return one

    return make


# ---- classes: normal logits, the shown one raised by a distance


def logits_of(draw: Draw, targets: Array, kinds: int, distance: float, scale: float) -> Array:
    logits = draw.normal(size=(len(targets), kinds))
    logits[np.arange(len(targets)), targets] += distance
    return logits * distance * scale


def distance_of(kinds: int, true: float) -> float:
    scores = np.random.default_rng(1).normal(size=(100_000, kinds))
    found = solve(
        lambda d: float((scores[:, 0] + d > scores[:, 1:].max(1)).mean()), max(true, 1 / kinds + 0.01)
    )
    return found or 0.0


def loss_of(kinds: int, scale: float) -> Callable[[float], Cell]:
    """scale: 1 says what is so, 2 is twice as sure."""

    def make(true: float) -> Cell:
        distance, large = distance_of(kinds, true), np.random.default_rng(2)
        parts = [logits_of(large, np.zeros(100_000, int), kinds, distance, scale) for _ in range(5)]
        truth = float(np.mean([-np.log(np.maximum(softmax(part)[:, 0], 1e-12)).mean() for part in parts]))

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            targets = draw.integers(0, kinds, count)
            return log_loss(softmax(logits_of(draw, targets, kinds, distance, scale)), targets), truth

        return one

    return make


def over_classes(figure: str, shares: Sequence[float]) -> Callable[[float], Cell | None]:
    """roc_auc or mean_ap of classes, by `measure` itself."""
    kinds, names = len(shares), [str(i) for i in range(len(shares))]

    def truth(distance: float) -> float:
        large = np.random.default_rng(3)
        targets = large.choice(kinds, 40_000, p=shares)
        return measure(logits_of(large, targets, kinds, distance, 1.0), targets, names)[figure].value

    def make(true: float) -> Cell | None:
        low, high = 0.05, 6.0
        if truth(low) > true:
            return None if figure == "mean_ap" else (lambda draw, count: chance(draw, count, 0.0, 0.5))
        for _ in range(14):
            middle = (low + high) / 2
            low, high = (middle, high) if truth(middle) < true else (low, middle)
        exact = truth(low)
        return lambda draw, count: chance(draw, count, low, exact)

    def chance(draw: Draw, count: int, distance: float, exact: float) -> tuple[Value, float]:
        targets = draw.choice(kinds, count, p=shares)
        logits = logits_of(draw, targets, kinds, max(distance, 1e-6), 1.0)
        return measure(logits, targets, names)[figure], exact

    return make


# ---- numbers

SHAPES: dict[str, tuple[Callable[[Draw, int], Array], float]] = {
    "normal errors": (lambda draw, count: draw.normal(size=count), math.sqrt(2 / math.pi)),
    "heavy errors": (lambda draw, count: draw.laplace(size=count) / math.sqrt(2), 1 / math.sqrt(2)),
}
"""Errors of variance 1, and the mean of their sizes."""


def number(figure: str, shape: str) -> Callable[[float], Cell]:
    errors, size = SHAPES[shape]

    def make(true: float) -> Cell:
        noise = math.sqrt(1 - true)
        truth = {"mae": noise * size, "rmse": noise, "r2": true}[figure]

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            error = noise * errors(draw, count)
            shown = math.sqrt(true) * draw.normal(size=count) + error
            found = {
                "mae": lambda: mean(np.abs(error), least=0.0),
                "rmse": lambda: root_mean_square(error),
                "r2": lambda: r2(-error, shown),
            }[figure]()
            return found, truth

        return one

    return make


def paired_errors(shape: str) -> Callable[[float], Cell]:
    errors, size = SHAPES[shape]

    def make(true: float) -> Cell:
        noise = math.sqrt(1 - true)

        def one(draw: Draw, count: int) -> tuple[Value, float]:
            first, second = noise * errors(draw, count), 1.2 * noise * errors(draw, count)
            return paired_means(np.abs(first), np.abs(second))[0], noise * size * (1 - 1.2)

        return one

    return make


EVEN2, RARE2, EVEN10 = [0.5, 0.5], [0.9, 0.1], [0.1] * 10
RARE10, MIXED5 = [*[0.98 / 9] * 9, 0.02], [0.5, 0.4, 0.3, 0.2, 0.1]
CASES = [
    Case("accuracy, top 5, exact match", "any", share),
    Case("recall, precision", "half", recall(0.5)),
    Case("recall, precision", "one in ten", recall(0.1)),
    Case("F1 of a class", "half", f1_of(0.5)),
    Case("F1 of a class", "one in ten", f1_of(0.1)),
    Case("balanced accuracy", "2 classes", balanced(EVEN2, 0.05)),
    Case("balanced accuracy", "2, one rare", balanced(RARE2, 0.05)),
    Case("balanced accuracy", "10 classes", balanced(EVEN10, 0.1)),
    Case("balanced accuracy", "10, one rare", balanced(RARE10, 0.1)),
    Case("ROC-AUC of a class", "half", area_of(0.5, 1.0), 1000),
    Case("ROC-AUC of a class", "one in ten", area_of(0.1, 1.0), 1000),
    Case("ROC-AUC of a class", "half, narrow", area_of(0.5, 0.75), 1000),
    Case("mean ROC-AUC", "2 classes", over_classes("roc_auc", EVEN2), 600),
    Case("mean ROC-AUC", "10 classes", over_classes("roc_auc", EVEN10), 400),
    Case("mean ROC-AUC", "5 labels", over_labels("roc_auc", MIXED5, 0.3), 600),
    Case("average precision", "half", ap_of(0.5, 1.0)),
    Case("average precision", "one in five", ap_of(0.2, 1.0)),
    Case("average precision", "one in twenty", ap_of(0.05, 1.0)),
    Case("average precision", "half, narrow", ap_of(0.5, 0.75)),
    Case("average precision", "one in five, narrow", ap_of(0.2, 0.75)),
    Case("mean AP", "5 labels of 0.3", over_labels("mean_ap", [0.3] * 5, 0.0), 1000),
    Case("mean AP", "5 labels, one rare", over_labels("mean_ap", MIXED5, 0.3), 1000),
    Case("mean AP", "10 classes", over_classes("mean_ap", EVEN10), 400),
    Case("mean F1 of labels", "5 labels of 0.3", over_labels("f1", [0.3] * 5, 0.0), 1000),
    Case("mean F1 of labels", "5 labels, one rare", over_labels("f1", MIXED5, 0.3), 1000),
    Case("log loss", "2 classes", loss_of(2, 1.0)),
    Case("log loss", "10 classes", loss_of(10, 1.0), 1000),
    Case("log loss", "10, too sure", loss_of(10, 2.0), 1000),
    *(
        Case(name, shape, number(key, shape))
        for name, key in (("MAE", "mae"), ("RMSE", "rmse"), ("R2", "r2"))
        for shape in SHAPES
    ),
    Case("difference of accuracies", "few alone", paired_shares(0.2)),
    Case("difference of accuracies", "many alone", paired_shares(0.6)),
    *(Case("difference of MAE", shape, paired_errors(shape)) for shape in SHAPES),
    Case("difference of mean AP", "3 labels of 0.3", paired_precision([0.3] * 3), 600),
]


# ---- running and telling


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
            by_count = {
                count: [
                    c["coverage"]
                    for k, c in own.items()
                    if k.split(" | ")[2] == str(count) and c["coverage"] is not None
                ]
                for count in COUNTS
            }
            shown = [value for part in by_count.values() for value in part]
            whole += shown
            withheld = [c["withheld"] for c in own.values()] or [0.0]
            columns = [
                " ".join(f"{100 * value:.1f}" for value in part) or "withheld" for part in by_count.values()
            ]
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
