"""`folds=5`: beside the model that learned from all, others of which each leaves out a part and is measured on it."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.measure import Measurement, report_on, timed_look
from lensmith.data.dataset import ImageDataset
from lensmith.data.target_array import target_array
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.out_of_fold import FoldFigures, fold_figures
from lensmith.evaluation.report import Report
from lensmith.planning.changes import Change
from lensmith.planning.clock import Clock
from lensmith.runs.directory import RunDirectory
from lensmith.runs.predictions import FOLD, OUT_OF_FOLD, Predictions
from lensmith.runs.recipe import Recipe
from lensmith.store.store import Column, open_column
from lensmith.training.choosing import outputs_on
from lensmith.training.learn import learn
from lensmith.training.learned import Learned
from lensmith.training.parts import Parts, settle
from lensmith.training.prepare import Prepared, prepare
from lensmith.training.transfer import Seen, fitted_head
from lensmith.types import Event

_TIMED = 64
"""Pictures that the speed is measured on, where none are held out."""
Outputs = NDArray[np.float32]


@dataclass(frozen=True)
class OutOfFold:
    """What the models of the folds said of the pictures that they did not see.

    report: on all of them; figures: fold by fold; data: in the order of the predictions.
    """

    report: Report
    figures: FoldFigures
    predictions: Predictions
    data: ImageDataset


def measure_folds(
    prepared: Prepared, parts: Parts | None, run: RunDirectory, learned: Learned
) -> Generator[Event, None, OutOfFold]:
    """Train and measure a model for each fold, by the same recipe.

    learned: by the model on all pictures. Where that is a last layer alone, each fold fits another one to the same
    features; else the folds make as many passes as it did.
    """
    column, roles = prepared.column, prepared.roles
    used, fold = column.matching(roles.train), np.array(roles.folds)[column.rows]
    numbers = [number for number in range(1, max(roles.folds) + 1) if (fold == number).any()]
    targets = target_array(used)
    targets = targets[:, 0] if used.task == "regression" else targets
    outputs: dict[int, Outputs] = {}
    recipe, seen = _as_trained(prepared.plan.recipe, learned.trained.changes), learned.seen
    for number in numbers:
        yield Event("folds", f"fold {number} of {len(numbers)}", number - 1, len(numbers))
        if seen is not None:
            outputs[number] = _by_head(prepared, seen, fold == number)
        else:
            place = RunDirectory(run.path / "folds" / str(number))
            part = _Part(prepared, recipe, settle(recipe, parts or Parts())[1], fold == number, number)
            outputs[number] = yield from part.outputs(place)
    order = np.concatenate([np.flatnonzero(fold == number) for number in numbers])
    logits = np.concatenate([outputs[number] for number in numbers]).astype(np.float32)
    reports = [measure(outputs[n], targets[fold == n], used.classes, used.task) for n in numbers]
    data = used.with_examples([used.examples[row] for row in order])
    report = measure(logits, targets[order], used.classes, used.task)
    figures = fold_figures(report, reports, int((fold == 0).sum()))
    yield Event("folds", figures.verdict())
    predictions = Predictions(
        np.array(data.ids),
        targets[order],
        logits,
        np.array([f"{FOLD}{fold[row]}" for row in order]),
        np.array([str(example.source) for example in data.examples]),
    )
    report = dataclasses.replace(report, split=OUT_OF_FOLD)
    return OutOfFold(report, figures, predictions, data)


def as_measurement(folded: OutOfFold, bundle: Bundle, store: bool) -> Generator[Event, None, Measurement]:
    """What stands in the place of held-out pictures; the speed is that of the model on all pictures."""
    some = folded.data.with_examples(folded.data.examples[:_TIMED])
    column: Column = yield from open_column(some, bundle.preprocess, store=store)
    *_, speed = timed_look(bundle, column.pixels)
    report = report_on(bundle, folded.predictions.logits, folded.predictions.targets)
    return Measurement(report, speed, folded.predictions, folded.data, ())


def _as_trained(recipe: Recipe, changes: list[Change]) -> Recipe:
    """What the model on all pictures was trained by in the end, with nothing left for the clock to decide."""
    ends = [float(change.value) for change in changes if change.field == "epochs"]
    return recipe.changed(epochs=ends[-1] if ends else recipe.epochs, budget=None, changes=None)


def _by_head(prepared: Prepared, seen: Seen, left_out: NDArray[np.bool_]) -> Outputs:
    """Outputs [n, outputs] of a last layer that does not know the pictures left out."""
    head = fitted_head(prepared, seen, left_out)
    features = torch.from_numpy(seen.features[: len(left_out)][left_out]).to(torch.float32)
    outputs: Outputs = (features @ head.weight.T + head.bias).numpy()
    return outputs


@dataclass(frozen=True)
class _Part:
    """A training without the pictures left out, bool [N] over those of the training column."""

    whole: Prepared
    recipe: Recipe
    parts: Parts
    left_out: NDArray[np.bool_]
    number: int

    def outputs(self, place: RunDirectory) -> Generator[Event, None, Outputs]:
        """Train, and what the network then says of them, [n, outputs]. place: for the curves."""
        prepared = yield from self._prepared()
        torch.manual_seed(self.recipe.seed)
        place.path.mkdir(parents=True, exist_ok=True)
        yield from self._told(learn(prepared, place))
        left_out = prepared.roles.held_out
        column = yield from open_column(left_out, prepared.preprocess, store=False)
        found, _ = outputs_on(prepared, column, column.matching(left_out))
        return found

    def _prepared(self) -> Generator[Event, None, Prepared]:
        whole = self.whole
        used = whole.column.matching(whole.roles.train)

        def part(mask: NDArray[np.bool_]) -> ImageDataset:
            return used.with_examples([used.examples[row] for row in np.flatnonzero(mask)])

        roles = replace(whole.roles, train=part(~self.left_out), held_out=part(self.left_out), folds=())
        column = Column(
            whole.column.pixels[~self.left_out], np.arange(len(roles.train)), (), whole.column.from_store
        )
        parts = replace(self.parts, model=copy.deepcopy(self.parts.model))
        return (
            yield from prepare(
                whole.data, self.recipe, roles, Clock(), parts, whole.plan.reasons, column, whole.processes
            )
        )

    def _told(self, learning: Generator[Event, None, Any]) -> Generator[Event, None, None]:
        """Progress, with the number of the fold; the lines that stay are those of the model on all pictures."""
        for event in learning:
            if event.total or event.stage == "warning":
                yield replace(event, words=f"fold {self.number}: {event.words}")
