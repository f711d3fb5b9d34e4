"""One training from data to report, as a generator of events that `train` and the shell go through."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import torch

from lensmith.audit.inspect import inspect
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.measure import Measurement, measure_bundle
from lensmith.bundle.storage import update_facts
from lensmith.data.dataset import ImageDataset
from lensmith.data.split_file import write_split_file
from lensmith.data.splitting import Roles
from lensmith.errors import LensmithError, UsageError
from lensmith.evaluation.calibration import Calibration, calibrate
from lensmith.evaluation.report import Report
from lensmith.planning.changes import written
from lensmith.planning.clock import Clock
from lensmith.report.page import write_page
from lensmith.runs.directory import RUNS, RunDirectory, new_run
from lensmith.runs.fields import OWN, seconds_of
from lensmith.runs.files import write_json, write_text
from lensmith.runs.looks import record_look
from lensmith.runs.recipe import Recipe
from lensmith.studies.studied import study
from lensmith.studies.subject import Subject
from lensmith.training.facts import counts, facts_of, provenance_of
from lensmith.training.folds import OutOfFold, as_measurement, measure_folds, untrained
from lensmith.training.learn import learn
from lensmith.training.learned import Learned
from lensmith.training.parts import Parts
from lensmith.training.prepare import Prepared
from lensmith.training.run import Run
from lensmith.training.start import prepare_job
from lensmith.types import Event

_STUDIED, _LEAST_STUDY = 0.1, 0.5
"""Share of a run's time, and seconds, that studies of the finished model may take where no budget says."""


def run_job(
    source: Any,
    recipe: Recipe,
    *,
    parts: Parts | None = None,
    out: Path | None = None,
    began: float | None = None,
) -> Generator[Event, None, Run]:
    """Train, measure, report. Yields what is worth telling; returns the run.

    Stopped from outside (Ctrl-C, SIGTERM), it keeps the weights so far as a bundle that was not measured.
    """
    clock = Clock(time.time() if began is None else began)
    clock.stages["import"] = round(clock.spent(), 3)
    if isinstance(source, str | Path):
        _keep_out_of(Path(source), out or RUNS, RUNS)
    threads = torch.get_num_threads()
    try:
        run = yield from _run(source, recipe, parts, out, clock)
    finally:
        torch.set_num_threads(threads)
    return Run(run)


def _run(
    source: Any, recipe: Recipe, parts: Parts | None, out: Path | None, clock: Clock
) -> Generator[Event, None, RunDirectory]:
    before = untrained(parts, recipe)
    prepared = yield from prepare_job(source, recipe, clock, parts)
    run = new_run(prepared.data.name, out)
    facts = facts_of(source, prepared)
    try:
        prepared.plan.recipe.write(run.recipe_file)
        run.write_facts(facts)
        with clock.stage("train"):
            learned = yield from _learn(prepared, run)
            facts["choices"] |= learned.choices
        with clock.stage("save"):
            calibration = calibrate(learned.unseen, prepared.data.task, prepared.plan.recipe.max_error)
            facts["calibration"] = calibration.as_dict()
            yield Event("calibrate", calibration.why)
            bundle = save_bundle(prepared, run, calibration)
        folded = None
        if prepared.roles.folds:
            with clock.stage("folds"), _keeping(run):
                folded = yield from measure_folds(
                    prepared, before, run, learned.seen, learned.trained.changes
                )
        with clock.stage("measure"):
            measured = yield from _measure(run, bundle, prepared, folded)
            facts["speed"] = measured.speed.as_dict()
            facts["data"][measured.report.split] = counts(measured.data)
            facts["data"]["skipped"] += [vars(s) for s in measured.skipped]
        with clock.stage("inspect"):
            used = _as_used(prepared.roles)
            write_split_file(run.splits_file, used, source)
            facts["issues"] = yield from _inspect(used)
        run.write_facts({**facts, "seconds": clock.told()})
        with clock.stage("studies"):
            yield from _study(run, bundle, prepared, measured, clock)
        run.write_facts({**facts, "seconds": clock.told()})
        write_page(run)
    except LensmithError:
        raise
    except Exception:
        write_text(run.crash_file, traceback.format_exc())
        raise
    return run


def _keep_out_of(data: Path, *places: Path) -> None:
    """Runs among the pictures would be taken for a class the next time."""
    for place in places:
        if data.is_dir() and place.resolve().is_relative_to(data.resolve()):
            raise UsageError(
                f"{place} lies under the data, {data}, where nothing is written",
                hint="Start from another folder.",
            )


def _as_used(roles: Roles) -> ImageDataset:
    """The data with the splits that this run used."""
    parts = [part for part in (roles.train, roles.choice, roles.held_out) if part is not None]
    return roles.train.with_examples([example for part in parts for example in part.examples])


def _inspect(used: ImageDataset) -> Generator[Event, None, list[dict[str, Any]]]:
    """What is found in the data at no cost; the gravest of it is told."""
    issues = inspect(used)
    for issue in issues:
        if issue.severity == "error" or issue.name in ("thin class", "imbalance"):
            yield Event("warning", f"{issue.name}: {issue.detail}")
    return [issue.as_dict() for issue in issues]


def _learn(prepared: Prepared, run: RunDirectory) -> Generator[Event, None, Learned]:
    """Train the network; interrupted, keep what was learned so far, unmeasured."""
    recipe = prepared.plan.recipe
    torch.manual_seed(recipe.seed)  # sizing a budget has drawn from it
    try:
        learned = yield from learn(prepared, run)
        if changes := learned.trained.changes:
            recipe.changed(changes=written(changes)).write(run.recipe_file)
        return learned
    except Exception:
        raise
    except BaseException as stop:
        save_bundle(prepared, run, Calibration())
        stop.add_note(f"the weights so far, not measured: {run.model}")
        raise


@contextlib.contextmanager
def _keeping(run: RunDirectory) -> Iterator[None]:
    """Whoever stops the folds keeps the model that stands already."""
    try:
        yield
    except Exception:
        raise
    except BaseException as stop:
        stop.add_note(f"the model on all training pictures, not measured: {run.model}")
        raise


def save_bundle(prepared: Prepared, run: RunDirectory, calibration: Calibration) -> Bundle:
    """Write `RUN/model/` and open it again: what is measured is what lies on disk."""
    recipe = prepared.plan.recipe
    bundle = Bundle(
        prepared.model,
        preprocess=prepared.preprocess,
        classes=prepared.roles.train.classes,
        task=prepared.data.task,
        name="" if recipe.model == OWN else recipe.model or "",
        provenance=provenance_of(prepared, run),
    )
    calibrated = bundle.with_facts(temperature=calibration.temperature, threshold=calibration.threshold)
    calibrated.save(run.model)
    return load_model(run.model)


def _measure(
    run: RunDirectory, bundle: Bundle, prepared: Prepared, folded: OutOfFold | None
) -> Generator[Event, None, Measurement]:
    roles, store = prepared.roles, prepared.plan.recipe.store
    if folded is not None and not len(roles.held_out):
        measured = yield from as_measurement(folded, bundle, store)
    else:
        measured = yield from measure_bundle(bundle, roles.held_out, roles.held_out_name, store=store)
    seen = record_look(
        run.looks_file, fingerprint=measured.data.fingerprint, run=run.path.name, split=roles.held_out_name
    )
    studies = measured.report.studies | ({"folds": folded.figures.as_dict()} if folded else {})
    named = {"split": roles.held_out_name, "held_out": True, "seen": seen, "studies": studies}
    report = dataclasses.replace(measured.report, **named)
    measured.predictions.write(run.predictions_file)
    held_out = {"split": roles.held_out_name, "count": len(measured.data)}
    made = bundle.facts.provenance
    made = {**made, "data": {**made["data"], "held_out": held_out}}
    alone = dataclasses.replace(report, studies={})
    update_facts(run.model, bundle.with_facts(report=alone.as_dict(), provenance=made).facts)
    write_json(run.report_file, report.as_dict())
    yield Event("measure", report.verdict())
    yield Event("", _beside(report))
    if "reliability" in report.studies:
        yield Event("", report.studies["reliability"]["verdict"])
    return dataclasses.replace(measured, report=report)


def _study(
    run: RunDirectory, bundle: Bundle, prepared: Prepared, measured: Measurement, clock: Clock
) -> Generator[Event, None, None]:
    """What more can be told in a little time: in what is left of a budget, without one in a tenth of the run's."""
    recipe = prepared.plan.recipe
    left = _LEAST_STUDY + _STUDIED * clock.spent()
    if recipe.budget is not None:
        left = seconds_of(recipe.budget) - clock.spent()
    train = prepared.column.matching(prepared.roles.train)
    subject = Subject(run, bundle, train, measured.data, measured.predictions, measured.report)
    report = yield from study(subject, time.perf_counter() + left)
    if left_out := report.studies.get("left_out"):
        yield Event("", f"left out: {', '.join(left_out)}. To add them: lensmith report {run.path} --full")


def _beside(report: Report) -> str:
    """What a figure means: its interval, what no model at all would reach, how often these pictures served."""
    words = ["the range is a 95% confidence interval"]
    if report.task == "classification" and report.baseline is not None:
        words.append(f"always saying the commonest class would get {report.baseline:.1%}")
    if report.seen > 1:
        words.append(f"{report.seen} models have been measured on these pictures")
    return "; ".join(words)
