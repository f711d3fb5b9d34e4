"""One training from data to report, as a generator of events that `train` and the shell go through."""

from __future__ import annotations

import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lensmith.audit.inspect import inspect
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.measure import Measurement
from lensmith.bundle.storage import update_facts
from lensmith.data.dataset import ImageDataset, Skipped
from lensmith.data.split_file import write_split_file
from lensmith.errors import LensmithError, UsageError
from lensmith.evaluation.calibration import Calibration, Unseen, calibrate
from lensmith.machine.processes import ALONE, Processes
from lensmith.planning.clock import Clock
from lensmith.runs.checkpoints import remove_checkpoints
from lensmith.runs.directory import RUNS, RunDirectory, new_run
from lensmith.runs.fields import OWN
from lensmith.runs.files import write_text
from lensmith.runs.progress import RUN, recorded
from lensmith.runs.recipe import Recipe
from lensmith.runs.repetition import compare_with, remember
from lensmith.training.following import follow_first, join_others, send_model
from lensmith.training.launch import begun_before, launch_of, remember_begun
from lensmith.training.learn import learn
from lensmith.training.learned import Learned
from lensmith.training.looking import measure_by_seeds, measure_model, study_model, tell_gain
from lensmith.training.parts import Parts
from lensmith.training.prepare import Prepared
from lensmith.training.record import add_measured, facts_going_on, facts_of, provenance, unreadable
from lensmith.training.run import Run
from lensmith.training.several import untrained
from lensmith.training.start import prepare_job
from lensmith.training.starting_point import crossings
from lensmith.training.unlike import keep_neighbours
from lensmith.types import Event

if TYPE_CHECKING:
    from lensmith.training.folds import OutOfFold

_TOLD = (("warning", "thin class"), ("warning", "imbalance"), ("warning", "leak"))
"""Findings about the data that are told though they are no errors."""


def run_job(
    source: Any,
    recipe: Recipe,
    *,
    parts: Parts | None = None,
    out: Path | None = None,
    began: float | None = None,
    repeats: RunDirectory | None = None,
    going_on: RunDirectory | None = None,
) -> Generator[Event, None, Run]:
    """Train, measure, report. Yields what is worth telling; returns the run. repeats: the run whose recipe this is.
    going_on: a run that was interrupted and is held (`runs.lock`), by its own recipe, in which there is no choice
    left to make.

    Stopped from outside (Ctrl-C, SIGTERM), it keeps the weights so far as a bundle that was not measured.

    Of several processes that torchrun started, each goes through it; the first alone plans, writes and has events.
    """
    clock = Clock(time.time() if began is None else began)
    clock.stages["import"] = round(clock.spent(), 3)
    if isinstance(source, str | Path):
        keep_out_of(Path(source), out or RUNS, RUNS)
    threads = torch.get_num_threads()
    try:
        processes = join_others(recipe, going_on=going_on is not None)
        if not processes.is_first:
            return follow_first(source, parts, processes)
        launch = launch_of(source, recipe)
        with nullcontext() if going_on else begun_before(launch, out) as begun:
            if begun is not None:
                yield Event("resume", f"{begun.path}, begun before these processes were started again")
                recipe, going_on = begun.recipe(), begun
            before = None if repeats is None else remember(repeats)
            run = yield from _first(
                source, recipe, parts, (processes, launch), (out, going_on), before, clock
            )
            processes.agreed(str(run.path.absolute()))
    finally:
        torch.set_num_threads(threads)
    return Run(run)


def _first(
    source: Any,
    recipe: Recipe,
    parts: Parts | None,
    launched: tuple[Processes, str],
    place: tuple[Path | None, RunDirectory | None],
    before: dict[str, Any] | None,
    clock: Clock,
) -> Generator[Event, None, RunDirectory]:
    """What the first of several processes does, or the only one. launched: all of them, and what names their launch;
    place: where a new run goes, or the one that goes on; before: of the run that is repeated."""
    (processes, launch), (out, going_on) = launched, place
    if going_on is not None and is_finished(going_on):
        processes.agreed(None)
        yield Event("resume", f"{going_on.path} is finished")
        return going_on
    unspent = untrained(parts, recipe)
    prepared = yield from prepare_job(source, recipe, clock, parts, processes)
    processes.agreed(asdict(prepared.plan.recipe))
    facts = facts_of(source, prepared) | ({"repeats": before} if before else {})
    facts |= {"launch": launch} if launch else {}
    if going_on is not None:
        facts = facts_going_on(facts, going_on.facts())
    with nullcontext(going_on) if going_on else new_run(prepared.data.name, out) as run:
        remember_begun(run)
        yield from recorded(run, _run(source, prepared, run, unspent, facts, clock))
    return run


def is_finished(run: RunDirectory) -> bool:
    """Whether nothing of a run is left to do."""
    return run.is_complete() and run.page_file.exists()


def _run(
    source: Any,
    prepared: Prepared,
    run: RunDirectory,
    unspent: Parts | None,
    facts: dict[str, Any],
    clock: Clock,
) -> Generator[Event, None, None]:
    """unspent: the user's own parts as they were before the training."""
    try:
        if "resumed" not in facts:
            prepared.plan.recipe.write(run.recipe_file)
        run.write_facts(facts)
        yield Event(RUN, str(run.path))
        with clock.stage("train"):
            learned = yield from _learn(prepared, run)
            facts["choices"] |= learned.choices
        with clock.stage("save"):
            bundle = yield from _save(prepared, run, learned, facts)
            send_model(bundle, prepared.processes)
        folded = None
        if prepared.roles.folds:
            with clock.stage("folds"):
                folded = yield from _fold(prepared, run, unspent, learned)
                bundle = yield from _by_folds(run, bundle, learned, folded, facts)
        with clock.stage("measure"):
            measured = yield from measure_model(run, bundle, prepared, folded)
            alone = replace(prepared, processes=ALONE)  # the others have measured what there is to share
            measured = yield from tell_gain(run, alone, learned.without, measured)
        with clock.stage("inspect"):
            used = prepared.roles.as_data()
            write_split_file(run.splits_file, used, source)
            facts["issues"] = yield from _inspect(prepared, used, measured.skipped)
        add_measured(facts, prepared, measured)
        run.write_facts(facts | {"seconds": clock.told()})
        yield from _close(prepared, run, unspent, facts, clock, learned, bundle, measured)
    except LensmithError:
        raise
    except Exception:
        write_text(run.crash_file, traceback.format_exc())
        raise


def _close(
    prepared: Prepared,
    run: RunDirectory,
    unspent: Parts | None,
    facts: dict[str, Any],
    clock: Clock,
    learned: Learned,
    bundle: Bundle,
    measured: Measurement,
) -> Generator[Event, None, None]:
    """What comes after the figure: is it that of the run repeated, that of other seeds, and what else is to tell."""
    from lensmith.report.page import write_page  # nobody waits for it before the figure is told

    if "repeats" in facts:
        facts["repeats"] |= compare_with(facts["repeats"], run)
        yield Event("repeat", facts["repeats"]["verdict"])
    if prepared.plan.recipe.seeds > 1:
        with clock.stage("seeds"):
            measured = yield from measure_by_seeds(prepared, unspent, run, learned.seen, measured, clock)
    with clock.stage("studies"):
        yield from study_model(run, bundle, prepared, measured, clock, learned.seen)
    run.write_facts(facts | {"seconds": clock.told()})
    write_page(run)
    for place in (run.path, *run.path.glob("folds/*"), *run.path.glob("seeds/*")):
        remove_checkpoints(RunDirectory(place).checkpoints)


def _inspect(
    prepared: Prepared, used: ImageDataset, skipped: Sequence[Skipped]
) -> Generator[Event, None, list[dict[str, Any]]]:
    """What is found in the data at no cost; the gravest of it is told. skipped: by measuring."""
    issues = inspect(used, (*unreadable(prepared), *skipped))
    issues += crossings(prepared.start, prepared.roles) if prepared.start else []
    for issue in issues:
        if issue.severity == "error" or (issue.severity, issue.name) in _TOLD:
            yield Event("warning", f"{issue.name}: {issue.detail}")
    return [issue.as_dict() for issue in issues]


def keep_out_of(data: Path, *places: Path) -> None:
    """Runs among the pictures would be taken for a class the next time."""
    for place in places:
        if data.is_dir() and place.resolve().is_relative_to(data.resolve()):
            raise UsageError(
                f"{place} lies under the data, {data}, where nothing is written",
                hint="Start from another folder.",
            )


def _learn(prepared: Prepared, run: RunDirectory) -> Generator[Event, None, Learned]:
    """Train the network; interrupted, keep what was learned so far, unmeasured."""
    recipe = prepared.plan.recipe
    torch.manual_seed(recipe.seed)  # sizing a budget has drawn from it
    try:
        learned = yield from learn(prepared, run)
        if not recipe.freeze:
            recipe.changed(**learned.trained.as_it_went()).write(run.recipe_file)
        return learned
    except Exception:
        raise
    except BaseException as stop:
        _bundle(prepared, run, Calibration()).save(run.model)
        stop.add_note(f"the weights so far, not measured: {run.model}")
        stop.add_note(f"to go on: lensmith resume {run.path}")
        raise


def _fold(
    prepared: Prepared, run: RunDirectory, unspent: Parts | None, learned: Learned
) -> Generator[Event, None, OutOfFold]:
    """Whoever stops the folds keeps the model that stands already."""
    from lensmith.training.folds import measure_folds

    try:
        return (yield from measure_folds(prepared, unspent, run, learned))
    except Exception:
        raise
    except BaseException as stop:
        stop.add_note(f"the model on all training pictures, not measured: {run.model}")
        stop.add_note(f"to go on: lensmith resume {run.path}")
        raise


def _save(
    prepared: Prepared, run: RunDirectory, learned: Learned, facts: dict[str, Any]
) -> Generator[Event, None, Bundle]:
    """With what was learned of how sure an answer is, and what is kept to mark pictures that are unlike."""
    calibration = calibrate(learned.unseen, prepared.data.task, prepared.plan.recipe.max_error)
    facts["calibration"] = calibration.as_dict()
    yield Event("calibrate", calibration.why)
    bundle = yield from keep_neighbours(_bundle(prepared, run, calibration), prepared, learned)
    bundle.save(run.model)
    return load_model(run.model)


def _bundle(prepared: Prepared, run: RunDirectory, calibration: Calibration) -> Bundle:
    recipe = prepared.plan.recipe
    bundle = Bundle(
        prepared.model,
        preprocess=prepared.preprocess,
        classes=prepared.roles.train.classes,
        task=prepared.data.task,
        name="" if recipe.model == OWN else recipe.model or "",
        provenance=provenance(prepared, run),
    )
    return bundle.with_facts(**calibration.limits)


def _by_folds(
    run: RunDirectory, bundle: Bundle, learned: Learned, folded: OutOfFold, facts: dict[str, Any]
) -> Generator[Event, None, Bundle]:
    """Where nothing else was left out of the training, the folds say how sure an answer is."""
    if learned.unseen is not None:
        return bundle
    said = folded.predictions
    unseen = Unseen(said.logits, said.targets, "pictures, each by a model that had not seen it")
    calibration = calibrate(unseen, bundle.task, facts["calibration"]["max_error"])
    facts["calibration"] = calibration.as_dict()
    yield Event("calibrate", calibration.why)
    bundle = bundle.with_facts(**calibration.limits)
    update_facts(run.model, bundle.facts)
    return bundle
