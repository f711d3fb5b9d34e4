"""How far stated probabilities can be believed: a temperature, a threshold for "not sure", and how both turn out.

Chosen on pictures that the model did not learn from, measured on others. numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensmith.evaluation.intervals import Floats
from lensmith.evaluation.metrics import softmax
from lensmith.evaluation.multilabel import sigmoid
from lensmith.evaluation.thresholds import choose_thresholds
from lensmith.types import Task

FEWEST = 50
"""Pictures under which a temperature would be chance."""
USUAL_THRESHOLD = 0.5
"""Under it an answer is as likely wrong as right."""
_SHARPEST, _FLATTEST = 0.02, 50.0
_STEPS = 40
_RISK = 0.02
"""How often luck may make one threshold look as if it kept to the error that was asked for. The best of many is
taken, which is wrong in about one case of twenty (simulated, with 250 and with 1,000 pictures)."""


@dataclass(frozen=True)
class Unseen:
    """What a model, or models made like it, said of pictures that they had not learned from.

    logits: float [N, outputs]; targets: [N] indices, or [N, L] of 0 and 1; how: which pictures these are, in words.
    """

    logits: Floats
    targets: NDArray[Any]
    how: str


@dataclass(frozen=True)
class Calibration:
    """What is saved with a model: logits are divided by `temperature`; an answer under `threshold` is "not sure";
    of several labels each is said from its own probability in `label_thresholds` on.

    max_error: the error that was asked for among the answers given; proven: whether the pictures at hand were enough
    to show, at 95 %, that it is kept; why: how it came about, in words; count: on how many pictures.
    """

    temperature: float = 1.0
    threshold: float = USUAL_THRESHOLD
    count: int = 0
    max_error: float | None = None
    proven: bool = False
    why: str = ""
    label_thresholds: list[float] | None = None

    @property
    def limits(self) -> dict[str, Any]:
        """What of it a model keeps: temperature, threshold, label_thresholds."""
        return {name: getattr(self, name) for name in ("temperature", "threshold", "label_thresholds")}

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return dict(vars(self))


def calibrate(unseen: Unseen | None, task: Task, max_error: float | None = None) -> Calibration:
    """The temperature and the threshold of a model, from what it said of pictures it had not learned from.

    With fewer than 50 of them nothing is changed, and `why` says so.
    """
    if task == "regression":
        return Calibration(why="a number has no probability")
    if unseen is None or len(unseen.targets) < FEWEST:
        count = 0 if unseen is None else len(unseen.targets)
        at_hand = f"only {count} pictures were" if count else "no pictures were"
        why = (
            f"probabilities are as the network gives them: {at_hand} left out of its training to set them by"
        )
        return Calibration(count=count, max_error=max_error, why=why)
    temperature = fit_temperature(unseen.logits, unseen.targets, task)
    count = len(unseen.targets)
    why, said_from = f"temperature {temperature:.3g}, by {count:,} {unseen.how}", None
    if task == "multilabel":
        said_from = choose_thresholds(unseen.logits / temperature, unseen.targets)
        why += f"; labels are said from {said_from.min():.2f} to {said_from.max():.2f} on, each where its F1 is best"
    limits = None if said_from is None else said_from.tolist()
    if max_error is None:
        return Calibration(temperature, count=count, why=why, label_thresholds=limits)
    certain, right = certainties(unseen.logits, unseen.targets, task, temperature, said_from)
    threshold, proven = find_threshold(certain, right, max_error)
    given = certain >= threshold
    wrong = float((~right[given]).mean()) if given.any() else 0.0
    how = (
        "shown at 95%"
        if proven
        else f"not shown at 95%: {count:,} pictures are too few, or too many of the surest are wrong"
    )
    why += (
        f"; at least {threshold:.1%} sure for at most {max_error:.1%} wrong ({how}): "
        f"{given.mean():.1%} of them get an answer, and {wrong:.1%} of the answers are wrong"
    )
    return Calibration(temperature, threshold, count, max_error, proven, why, limits)


def fit_temperature(logits: Floats, targets: NDArray[Any], task: Task) -> float:
    """The temperature with the least log loss (Guo and others, arXiv 1706.04599); golden section on its logarithm,
    along which the loss has one valley."""
    low, high = math.log(_SHARPEST), math.log(_FLATTEST)
    golden = (math.sqrt(5) - 1) / 2

    def loss(power: float) -> float:
        return log_loss(logits, targets, task, math.exp(power))

    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(_STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def log_loss(logits: Floats, targets: NDArray[Any], task: Task, temperature: float = 1.0) -> float:
    """Mean of -log of the probability given to what pictures show; of labels, the mean over all of them."""
    scaled = logits.astype(np.float64) / temperature
    if task == "multilabel":
        return float(np.logaddexp(0.0, np.where(targets.astype(bool), -scaled, scaled)).mean())
    highest = scaled.max(axis=1)
    whole = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
    return float((whole - scaled[np.arange(len(targets)), targets]).mean())


def stated(
    logits: Floats, targets: NDArray[Any], task: Task, temperature: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Probabilities that were stated, and whether what they speak of was so: of classes the likeliest one of each
    picture, [N]; of labels each of each picture, [N * L]."""
    if task == "multilabel":
        return sigmoid(logits, temperature).reshape(-1), targets.astype(bool).reshape(-1)
    return certainties(logits, targets, task, temperature)


def certainties(
    logits: Floats,
    targets: NDArray[Any],
    task: Task,
    temperature: float,
    label_thresholds: Floats | None = None,
) -> tuple[Floats, NDArray[np.bool_]]:
    """What is held against the threshold, and whether the whole answer is right, [N] each. label_thresholds: [L], the
    probability from which on each label is said, one half if not given."""
    if task == "multilabel":
        chances = sigmoid(logits, temperature)
        said = chances >= (0.5 if label_thresholds is None else label_thresholds)
        whole = (said == targets.astype(bool)).all(axis=1)
        return np.where(said, chances, 1 - chances).min(axis=1), whole
    right: NDArray[np.bool_] = logits.argmax(axis=1) == targets
    return softmax(logits, temperature).max(axis=1), right


def find_threshold(certain: Floats, right: NDArray[np.bool_], max_error: float) -> tuple[float, bool]:
    """The lowest threshold over which at most `max_error` of the answers are wrong: so that the upper 95 % limit of
    their error (Clopper and Pearson, 1934) is no higher, or, where no threshold is that good, so that their error
    itself is not. Also: whether it was the former. certain: [N], right: bool [N]."""
    order = np.argsort(-certain, kind="stable")
    sorted_, wrong = certain[order], np.cumsum(~right[order])
    ends = np.flatnonzero(np.append(sorted_[1:] < sorted_[:-1], True))  # equal ones stand or fall together
    counts = ends + 1
    shown = [end for end, n in zip(ends, counts, strict=True) if _at_most(int(wrong[end]), int(n), max_error)]
    if shown:
        return _below(sorted_, int(shown[-1])), True
    kept = ends[wrong[ends] <= max_error * counts]
    if len(kept):
        return _below(sorted_, int(kept[-1])), False
    return 1.0, False


def _at_most(wrong: int, count: int, error: float) -> bool:
    """Whether so few wrong ones would be luck, were the error as high as that."""
    log_odds, term = math.log(error) - math.log1p(-error), count * math.log1p(-error)
    total = math.exp(term)
    for number in range(1, wrong + 1):
        term += math.log(count - number + 1) - math.log(number) + log_odds
        total += math.exp(term)
    return total <= _RISK


def _below(sorted_: Floats, last: int) -> float:
    """Between the last that is in and the first that is out."""
    return float(sorted_[last] if last + 1 == len(sorted_) else (sorted_[last] + sorted_[last + 1]) / 2)
