"""One training from data to report, as a generator of events that `train` and the shell go through."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from lensmith.audit.inspect import inspect
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.measure import Measurement, measure_bundle
from lensmith.bundle.storage import update_facts
from lensmith.data.dataset import ImageDataset
from lensmith.data.splitting import Roles
from lensmith.errors import LensmithError, UsageError
from lensmith.evaluation.calibration import Calibration, Unseen, calibrate
from lensmith.evaluation.report import Report
from lensmith.planning.clock import Clock
from lensmith.report.page import write_page
from lensmith.runs.directory import RUNS, RunDirectory, new_run
from lensmith.runs.fields import OWN, seconds_of
from lensmith.runs.files import write_json, write_text
from lensmith.runs.looks import record_look
from lensmith.runs.recipe import Recipe
from lensmith.runs.repetition import compare_with, remember
from lensmith.studies.studied import study
from lensmith.studies.subject import Subject
from lensmith.training.epochs import train_epochs
from lensmith.training.finetune import can_fine_tune, fine_tune
from lensmith.training.held_back import hold_back, said_of_choices
from lensmith.training.new_classes import learn_new_classes
from lensmith.training.parts import Parts
from lensmith.training.prepare import Prepared
from lensmith.training.record import add_measured, facts_of, provenance
from lensmith.training.repeats import Again, train_by_seeds, untrained
from lensmith.training.run import Run
from lensmith.training.start import prepare_job
from lensmith.training.starting_point import crossings
from lensmith.training.transfer import Seen, out_of_fold, put_head, see
from lensmith.types import Event

_STUDIED, _LEAST_STUDY = 0.1, 0.5
"""Share of a run's time, and seconds, that studies of the finished model may take where no budget says."""

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
) -> Generator[Event, None, Run]:
    """Train, measure, report. Yields what is worth telling; returns the run. repeats: the run whose recipe this is.

    Stopped from outside (Ctrl-C, SIGTERM), it keeps the weights so far as a bundle that was not measured.
    """
    clock = Clock(time.time() if began is None else began)
    clock.stages["import"] = round(clock.spent(), 3)
    if isinstance(source, str | Path):
        _keep_out_of(Path(source), out or RUNS, RUNS)
    threads = torch.get_num_threads()
    try:
        before = None if repeats is None else remember(repeats)
        run = yield from _run(source, recipe, parts, out, clock, before)
    finally:
        torch.set_num_threads(threads)
    return Run(run)


def _run(
    source: Any,
    recipe: Recipe,
    parts: Parts | None,
    out: Path | None,
    clock: Clock,
    before: dict[str, Any] | None,
) -> Generator[Event, None, RunDirectory]:
    unspent = untrained(parts, recipe)
    prepared = yield from prepare_job(source, recipe, clock, parts)
    run = new_run(prepared.data.name, out)
    facts = facts_of(source, prepared) | ({"repeats": before} if before else {})
    try:
        prepared.plan.recipe.write(run.recipe_file)
        run.write_facts(facts)
        with clock.stage("train"):
            unseen, seen = yield from _train(prepared, run, facts)
        with clock.stage("save"):
            calibration = calibrate(unseen, prepared.data.task, prepared.plan.recipe.max_error)
            facts["calibration"] = calibration.as_dict()
            yield Event("calibrate", calibration.why)
            bundle = save_bundle(prepared, run, calibration)
        with clock.stage("measure"):
            measured = yield from _measure(run, bundle, prepared)
        with clock.stage("inspect"):
            yield from _inspect(prepared, facts)
        add_measured(facts, prepared, measured)
        run.write_facts(facts | {"seconds": {**clock.stages, "total": round(clock.spent(), 3)}})
        if before:
            facts["repeats"] = before | compare_with(before, run)
            yield Event("repeat", facts["repeats"]["verdict"])
        if prepared.plan.recipe.seeds > 1:
            with clock.stage("seeds"):
                measured = yield from _by_seeds(Again(prepared, unspent, run, seen), measured, clock)
        with clock.stage("studies"):
            yield from _study(run, bundle, prepared, measured, clock)
        facts["seconds"] = {**clock.stages, "total": round(clock.spent(), 3)}
        run.write_facts(facts)
        write_page(run)
    except LensmithError:
        raise
    except Exception:
        write_text(run.crash_file, traceback.format_exc())
        raise
    return run


def _inspect(prepared: Prepared, facts: dict[str, Any]) -> Generator[Event, None, None]:
    """What is wrong with the data goes into the facts, and the gravest of it is told."""
    issues = inspect(_as_used(prepared.roles))
    issues += crossings(prepared.start, prepared.roles) if prepared.start else []
    facts["issues"] = [issue.as_dict() for issue in issues]
    for issue in issues:
        if issue.severity == "error" or (issue.severity, issue.name) in _TOLD:
            yield Event("warning", f"{issue.name}: {issue.detail}")


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


def _train(
    prepared: Prepared, run: RunDirectory, facts: dict[str, Any]
) -> Generator[Event, None, tuple[Unseen | None, Seen | None]]:
    """Fit the head or train the network; interrupted, keep what was learned so far, unmeasured. Returns what it
    says of pictures that it had not learned from, where there are some, and the features of a last layer alone."""
    recipe = prepared.plan.recipe
    torch.manual_seed(recipe.seed)  # sizing a budget has drawn from it
    try:
        if recipe.freeze:
            seen = yield from see(prepared)
            head = put_head(prepared, seen)
            facts["choices"]["weight_decay"] = head.reason
            yield Event(
                "train",
                f"a linear last layer on {head.weight.shape[1]:,} features of each picture; {head.reason}",
            )
            facts["choices"]["fine-tuning"] = f"no: {prepared.plan.reasons.get('freeze', 'freeze=true')}"
            yield Event("", f"fine-tuning: {facts['choices']['fine-tuning']}")
            return out_of_fold(head, seen), seen
        if can_fine_tune(prepared):
            tuned = yield from fine_tune(prepared, run)
            trained, facts["choices"]["fine-tuning"], said = tuned.trained, tuned.why, tuned.unseen
        else:
            part, left_out = yield from hold_back(prepared)
            yield from learn_new_classes(part, left_out)
            trained = yield from train_epochs(part, run)
            said = said_of_choices(part, left_out)
        facts["choices"]["keep"] = trained.kept
        recipe.changed(**trained.as_it_went()).write(run.recipe_file)
        return said, None
    except Exception:
        raise
    except BaseException as stop:
        save_bundle(prepared, run, Calibration())
        stop.add_note(f"the weights so far, not measured: {run.model}")
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
        provenance=provenance(prepared, run),
    )
    calibrated = bundle.with_facts(temperature=calibration.temperature, threshold=calibration.threshold)
    calibrated.save(run.model)
    return load_model(run.model)


def _measure(run: RunDirectory, bundle: Bundle, prepared: Prepared) -> Generator[Event, None, Measurement]:
    roles = prepared.roles
    measured = yield from measure_bundle(
        bundle, roles.held_out, roles.held_out_name, store=prepared.plan.recipe.store
    )
    seen = record_look(
        run.looks_file, fingerprint=measured.data.fingerprint, run=run.path.name, split=roles.held_out_name
    )
    report = dataclasses.replace(measured.report, split=roles.held_out_name, held_out=True, seen=seen)
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


def _by_seeds(again: Again, measured: Measurement, clock: Clock) -> Generator[Event, None, Measurement]:
    """The spread over the seeds asked for goes into the report, among the studies."""
    spread = yield from train_by_seeds(again, measured, clock)
    studies = {**measured.report.studies, "seeds": spread.as_dict()}
    report = dataclasses.replace(measured.report, studies=studies)
    write_json(again.run.report_file, report.as_dict())
    yield Event("seeds", spread.verdict())
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
