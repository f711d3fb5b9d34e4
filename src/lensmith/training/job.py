"""One training from data to report, as a generator of events that `train` and the shell go through."""

from __future__ import annotations

import contextlib
import dataclasses
import platform
import sys
import time
import traceback
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lensmith.audit.inspect import inspect
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.measure import Measurement, measure_bundle
from lensmith.bundle.storage import update_facts
from lensmith.data.dataset import ImageDataset
from lensmith.data.split_file import write_split_file
from lensmith.errors import LensmithError, UsageError
from lensmith.evaluation.report import Report
from lensmith.planning.changes import written
from lensmith.planning.clock import Clock
from lensmith.report.page import write_page
from lensmith.runs.directory import RUNS, RunDirectory, new_run
from lensmith.runs.fields import OWN
from lensmith.runs.files import write_json, write_text
from lensmith.runs.looks import record_look
from lensmith.runs.recipe import Recipe
from lensmith.training.epochs import train_epochs
from lensmith.training.finetune import HEAD_ALONE, Tuned, can_fine_tune, fine_tune
from lensmith.training.folds import OutOfFold, as_measurement, measure_folds, untrained
from lensmith.training.parts import Parts
from lensmith.training.prepare import Prepared
from lensmith.training.run import Run
from lensmith.training.start import prepare_job
from lensmith.training.transfer import put_head, see
from lensmith.types import Event


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
    facts = _facts(source, prepared)
    try:
        prepared.plan.recipe.write(run.recipe_file)
        run.write_facts(facts)
        with clock.stage("train"):
            learned = yield from _train(prepared, run, facts)
        with clock.stage("save"):
            bundle = save_bundle(prepared, run)
        folded = None
        if prepared.roles.folds:
            with clock.stage("folds"), _keeping(run):
                folded = yield from measure_folds(
                    prepared, before, run, learned.seen, learned.trained.changes
                )
        with clock.stage("measure"):
            measured = yield from _measure(run, bundle, prepared, folded)
        with clock.stage("inspect"):
            used = prepared.roles.as_data()
            issues = inspect(used)
            write_split_file(run.splits_file, used, source)
        facts["issues"] = [issue.as_dict() for issue in issues]
        for issue in issues:
            if issue.severity == "error" or issue.name in ("thin class", "imbalance"):
                yield Event("warning", f"{issue.name}: {issue.detail}")
        facts["speed"] = measured.speed.as_dict()
        facts["seconds"] = {**clock.stages, "total": round(clock.spent(), 3)}
        facts["data"][measured.report.split] = _counts(measured.data)
        facts["data"]["skipped"] += [vars(s) for s in measured.skipped]
        run.write_facts(facts)
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


def _train(prepared: Prepared, run: RunDirectory, facts: dict[str, Any]) -> Generator[Event, None, Tuned]:
    """Fit the head or train the network; interrupted, keep what was learned so far, unmeasured."""
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
            return Tuned(HEAD_ALONE, "", seen)
        if can_fine_tune(prepared):
            tuned = yield from fine_tune(prepared, run)
            facts["choices"]["fine-tuning"] = tuned.why
        else:
            tuned = Tuned((yield from train_epochs(prepared, run)), "")
        trained = tuned.trained
        facts["choices"]["keep"] = trained.kept
        if trained.changes:
            recipe.changed(changes=written(trained.changes)).write(run.recipe_file)
        return tuned
    except Exception:
        raise
    except BaseException as stop:
        save_bundle(prepared, run)
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


def save_bundle(prepared: Prepared, run: RunDirectory) -> Bundle:
    """Write `RUN/model/` and open it again: what is measured is what lies on disk."""
    recipe = prepared.plan.recipe
    bundle = Bundle(
        prepared.model,
        preprocess=prepared.preprocess,
        classes=prepared.roles.train.classes,
        task=prepared.data.task,
        name="" if recipe.model == OWN else recipe.model or "",
        provenance=_provenance(prepared, run),
    )
    bundle.save(run.model)
    return load_model(run.model)


def _provenance(prepared: Prepared, run: RunDirectory) -> dict[str, Any]:
    """Where the model comes from: its first weights with their licence, its pictures by number, what made it."""
    roles, weights = prepared.roles, prepared.weights
    kept = ("source", "version", "url", "licence")
    return {
        "made_by": "train",
        "run": run.path.name,
        "network": prepared.plan.recipe.model,
        "weights": {name: weights[name] for name in kept} if weights else {"source": "trained from scratch"},
        "data": {
            "name": roles.train.name,
            "train": _counts(prepared.column.matching(roles.train)),
        },
        "packages": _versions(),
    }


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
    report = dataclasses.replace(measured.report, split=roles.held_out_name, held_out=True, seen=seen)
    measured.predictions.write(run.predictions_file)
    held_out = {"split": roles.held_out_name, "count": len(measured.data)}
    made = bundle.facts.provenance
    made = {**made, "data": {**made["data"], "held_out": held_out}}
    update_facts(run.model, bundle.with_facts(report=report.as_dict(), provenance=made).facts)
    write_json(run.report_file, report.as_dict() | ({"folds": folded.figures.as_dict()} if folded else {}))
    yield Event("measure", report.verdict())
    yield Event("", _beside(report))
    return dataclasses.replace(measured, report=report)


def _beside(report: Report) -> str:
    """What a figure means: its interval, what no model at all would reach, how often these pictures served."""
    words = ["the range is a 95% confidence interval"]
    if report.task == "classification" and report.baseline is not None:
        words.append(f"always saying the commonest class would get {report.baseline:.1%}")
    if report.seen > 1:
        words.append(f"{report.seen} models have been measured on these pictures")
    return "; ".join(words)


def _facts(source: Any, prepared: Prepared) -> dict[str, Any]:
    data, roles, choice = prepared.data, prepared.roles, prepared.choice
    skipped = (*data.skipped, *prepared.column.skipped, *(choice.skipped if choice else ()))
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "versions": _versions(),
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "allocator": prepared.allocator,
        },
        "data": {
            "source": str(source) if isinstance(source, str | Path) else type(source).__name__,
            "name": data.name,
            "task": data.task,
            "classes": data.classes,
            "split": roles.made,
            "train": _counts(prepared.column.matching(roles.train)),
            **(
                {"val": _counts(choice.matching(roles.choice) if choice else roles.choice)}
                if roles.choice
                else {}
            ),
            roles.held_out_name: _counts(roles.held_out),
            "skipped": [vars(s) for s in skipped],
            "notes": list(data.notes),
        },
        "choices": prepared.plan.reasons,
    }


def _counts(part: ImageDataset) -> dict[str, Any]:
    return {"count": len(part), "classes": part.counts()}


def _versions() -> dict[str, str]:
    found = {}
    for name in ("lensmith", "torch", "torchvision", "numpy", "pillow", "onnx", "onnxruntime"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
