"""`seeds=5`: the same training again by other seeds, to tell how far the draw of a training moves its figure.

The split stays that of the first seed, whose model is the run's: to keep the best of them would be to choose on the
pictures held out. Each model is measured on these, and each is a look at them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lensmith.bundle.measure import Measurement
from lensmith.errors import LensmithError, ProcessLost
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.spread import Answers, Spread
from lensmith.features.embed import Features, embed
from lensmith.planning.clock import Clock
from lensmith.runs.directory import RunDirectory
from lensmith.runs.fields import OWN, seconds_of
from lensmith.runs.looks import record_look
from lensmith.runs.recipe import Recipe
from lensmith.store.store import Column, open_column
from lensmith.training.choosing import outputs_on
from lensmith.training.learn import learn
from lensmith.training.parts import Parts, settle
from lensmith.training.prepare import Prepared, prepare
from lensmith.training.several import untrained
from lensmith.training.transfer import Seen, features_below, fitted_head, see
from lensmith.types import Event

Outputs = NDArray[np.float32]
_FROZEN = (
    "pictures, network and features are the same for each; only the folds that chose the penalty of the last layer "
    "differ, so a small spread says little"
)
_OWN = "each began with the weights of the network that was given: order and augmentation alone differ"
_LATE = 1.05
"""Times a budget, after which no further training is begun."""


@dataclass(frozen=True)
class Again:
    """The first training and what its others need. seen: the features, where a last layer alone is fitted."""

    first: Prepared
    parts: Parts | None
    run: RunDirectory
    seen: Seen | None


def train_by_seeds(again: Again, measured: Measurement, clock: Clock) -> Generator[Event, None, Spread]:
    """Train and measure by the seeds after the first, as the first was trained in the end.

    Where a budget is over, no further training begins, and the spread is that of the seeds that were.
    """
    recipe, roles = again.run.recipe(), again.first.roles
    column = yield from open_column(roles.held_out, again.first.preprocess, store=recipe.store)
    heads = None
    if recipe.freeze:
        seen = again.seen or (yield from see(again.first))
        below, device = features_below(again.first), recipe.device or "cpu"
        heads = _Heads(seen, (yield from embed(below, column.pixels, again.first.preprocess, device=device)))
    report, answers = measured.report, Answers(measured.report.task, [measured.predictions.logits])
    values, seeds, notes, began = [report[report.main].value], [recipe.seed], [], clock.spent()
    for seed in range(recipe.seed + 1, recipe.seed + recipe.seeds):
        if again.first.processes.agreed(_is_too_late(recipe, clock, began, len(values))):
            notes.append(f"{len(values)} of {recipe.seeds} seeds fitted into the budget of {recipe.budget}")
            break
        one = recipe.changed(seed=seed, seeds=1)
        try:
            outputs = (
                heads.outputs(again.first, one) if heads else (yield from _by_training(again, one, column))
            )
        except ProcessLost:
            raise
        except LensmithError as error:
            notes.append(f"seed {seed} came to nothing: {error.message}")
            yield Event("warning", notes[-1])
            continue
        found = measure(outputs, measured.predictions.targets, report.classes, report.task)
        answers.outputs.append(outputs)
        values.append(found[report.main].value)
        seeds.append(seed)
        name = f"{again.run.path.name}, seed {seed}"
        record_look(
            again.run.looks_file, fingerprint=measured.data.fingerprint, run=name, split=roles.held_out_name
        )
        yield Event("seeds", f"seed {seed}: {found.verdict()}", len(values), recipe.seeds)
    if recipe.freeze or recipe.model == OWN:
        notes.append(_FROZEN if recipe.freeze else _OWN)
    disagree, apart = answers.disagreement() if len(values) > 1 else (None, None)
    return Spread(report.main, seeds, values, report.count, disagree, apart, "; ".join(notes))


def _is_too_late(recipe: Recipe, clock: Clock, began: float, done: int) -> bool:
    """Whether one more training would end after the budget, going by those that are done."""
    if recipe.budget is None or done < 2:
        return False
    each = (clock.spent() - began) / (done - 1)
    return clock.spent() + each > _LATE * seconds_of(recipe.budget)


@dataclass(frozen=True)
class _Heads:
    """Features of the training pictures and of those held out, computed once for the heads of all seeds."""

    seen: Seen
    held_out: Features

    def outputs(self, first: Prepared, recipe: Recipe) -> Outputs:
        """[n, outputs] of a last layer that is fitted by another seed; the network stays as it is."""
        fitted = fitted_head(replace(first, plan=replace(first.plan, recipe=recipe)), self.seen)
        outputs: Outputs = (torch.from_numpy(self.held_out).float() @ fitted.weight.T + fitted.bias).numpy()
        return outputs


def _by_training(again: Again, recipe: Recipe, column: Column) -> Generator[Event, None, Outputs]:
    """Outputs [n, outputs] of a network that was trained by another seed. Its curves go beside those of the first."""
    first = again.first
    recipe, parts = settle(recipe, untrained(again.parts, recipe.changed(seeds=2)) or Parts())
    prepared = yield from prepare(
        first.data, recipe, first.roles, Clock(), parts, first.plan.reasons, first.column, first.processes
    )
    torch.manual_seed(recipe.seed)
    place = RunDirectory(again.run.path / "seeds" / str(recipe.seed))
    place.path.mkdir(parents=True, exist_ok=True)
    yield from _quietly(learn(prepared, place), recipe.seed)
    outputs, _ = outputs_on(prepared, column, column.matching(first.roles.held_out))
    return outputs


def _quietly(learning: Generator[Event, None, Any], seed: int) -> Generator[Event, None, None]:
    """Progress and warnings; the lines that stay are those of the first training."""
    for event in learning:
        if event.total or event.stage == "warning":
            yield replace(event, words=f"seed {seed}: {event.words}")
