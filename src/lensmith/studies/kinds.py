"""The studies, each of a subject: a generator of progress that returns its JSON form, {} where the task has none."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from lensmith.data.dataset import ImageDataset
from lensmith.evaluation.mistakes import worst_mistakes
from lensmith.evaluation.residuals import study_residuals
from lensmith.studies.subject import Subject
from lensmith.types import Event

Facts = Generator[Event, None, dict[str, Any]]

_MINUTE = 60.0
_RECALLED = 5e-5
"""Seconds for each picture that was looked at before; also for asking which those are."""
_SPARING = 0.8
"""Of what is left: some draws are made in any case, and the curve is fitted to all of them."""
_LONG_ENOUGH = 10.0
"""Seconds in which some pictures can be disturbed or explained."""


def mistakes(subject: Subject) -> Facts:
    """The mistakes that the model was surest of."""
    yield Event("studies", "the worst mistakes", 0, 1)
    temperature = subject.bundle.facts.temperature
    return worst_mistakes(subject.measured(), temperature=temperature).as_dict()


def residuals(subject: Subject) -> Facts:
    """How a regression errs."""
    yield Event("studies", "residuals", 0, 1)
    return study_residuals(subject.predictions).as_dict() if subject.report.task == "regression" else {}


def learning_curve(subject: Subject) -> Facts:
    """Would more pictures help? By what the last layer learned from, else by what the packaged network sees."""
    if subject.features is None:
        _require_recall(subject)
    from lensmith.evaluation.learning_curve import learning_curve as draw

    if subject.features is None:
        _require_look(subject, subject.train)
    recipe = subject.run.recipe()
    curve = yield from draw(
        subject.train,
        len(subject.held_out),
        subject.features,
        is_proxy=not recipe.freeze,
        seed=recipe.seed,
        seconds=min(_MINUTE, _SPARING * subject.left()),
        store=recipe.store,
        device=subject.device,
    )
    return curve.as_dict()


def neighbours(subject: Subject) -> Facts:
    """What the most similar training pictures would have answered."""
    _require_recall(subject)
    from lensmith.evaluation.neighbours import beside_neighbours

    if subject.predictions.out_of_fold:
        return {}  # it learned from the pictures that it was asked about
    _require_look(subject, subject.pictures())
    store = subject.run.recipe().store
    found = yield from beside_neighbours(
        subject.measured(), subject.train, subject.held_out, store=store, device=subject.device
    )
    return found.as_dict()


def suspects(subject: Subject) -> Facts:
    """Labels that may be wrong."""
    _require_recall(subject)
    from lensmith.audit.suspects import FEWEST, find_suspects
    from lensmith.features.backbone import look

    pictures = subject.train if subject.predictions.out_of_fold else subject.pictures()
    if len(pictures) < FEWEST:
        return {}
    _require_look(subject, pictures)
    seen = yield from look(pictures, store=subject.run.recipe().store, device=subject.device)
    return find_suspects(pictures, seen, subject.run.recipe().seed).as_dict()


def inspection(subject: Subject) -> Facts:
    """Copies, leaks and outliers, from the pixels of all pictures."""
    subject.require(_MINUTE, "decoding every picture again")
    from lensmith.audit.look import look

    pictures = subject.train if subject.predictions.out_of_fold else subject.pictures()
    found = yield from look(pictures)
    count = len(found.issues)
    return {
        "verdict": f"{count} finding{'' if count == 1 else 's'} in the pixels of the data",
        **found.as_dict(),
    }


def explanations(subject: Subject) -> Facts:
    """Where the model looked, in some pictures that it got wrong and right."""
    subject.require(_LONG_ENOUGH, "explaining some pictures")
    from lensmith.explaining.explanations import explanations as explain

    found = yield from explain(
        subject.bundle,
        subject.predictions,
        subject.held_out,
        subject.train,
        seconds=min(_MINUTE, subject.left()),
        store=subject.run.recipe().store,
    )
    return found.as_dict()


def robustness(subject: Subject) -> Facts:
    """What is lost on pictures that are compressed, blurred, dark, tilted or noisy."""
    subject.require(_LONG_ENOUGH, "disturbing some pictures")
    from lensmith.bundle.robustness import robustness as disturb

    found = yield from disturb(subject.bundle, subject.held_out, seconds=min(_MINUTE, subject.left()))
    return found.as_dict()


def _require_recall(subject: Subject) -> None:
    """Asked before anything else, since asking takes time too where there are many pictures."""
    count = len(subject.train) + len(subject.held_out)
    subject.require(_RECALLED * count, "recalling what was seen in pictures")


def _require_look(subject: Subject, data: ImageDataset) -> None:
    """What was seen in pictures before is kept, and costs little."""
    from lensmith.features.backbone import is_there, seconds_to_look

    if is_there() and subject.ends is not None:
        subject.require(seconds_to_look(data), "looking at the pictures")
