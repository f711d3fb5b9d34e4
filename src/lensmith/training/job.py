"""One training from data to report, as a generator of events that `train` and the shell go through."""

from __future__ import annotations

import contextlib
import math
import platform
import sys
import time
import traceback
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lensmith.audit.inspect import inspect
from lensmith.bundle.bundle import Bundle, load_model
from lensmith.bundle.measure import Measurement, measure_bundle
from lensmith.bundle.storage import update_facts
from lensmith.data.augment import Augment
from lensmith.data.batches import Batches
from lensmith.data.dataset import ImageDataset
from lensmith.data.preprocess import Preprocess
from lensmith.data.sources import load_data
from lensmith.data.splitting import Roles, assign_roles
from lensmith.data.store import Column, open_column
from lensmith.errors import DataError, LensmithError, PictureError, UsageError
from lensmith.machine.runtime import find_runtime
from lensmith.models.build import build
from lensmith.report.page import write_page
from lensmith.runs.directory import RUNS, RunDirectory, new_run
from lensmith.runs.files import append_json_line, write_json, write_text
from lensmith.runs.looks import record_look
from lensmith.runs.recipe import Recipe
from lensmith.training.fit import fit
from lensmith.training.optim import SCHEDULES, make_optimizer
from lensmith.training.plan import Plan, choose, fit_budget
from lensmith.training.run import Run
from lensmith.types import Event

_TOLD = 8
"""About how many epochs get a line of their own."""
_SPARE = 1.15
"""Training pictures are stored this much larger than the input, so that windows can move in them."""


@dataclass
class Clock:
    """Seconds by stage, since the process began if `began` says when (time.time)."""

    began: float = field(default_factory=time.time)
    stages: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs inside under a name."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = round(self.stages.get(name, 0.0) + time.perf_counter() - start, 3)

    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.time() - self.began


@dataclass(frozen=True)
class Prepared:
    """What stands before the first step: data, plan, network, batches."""

    data: ImageDataset
    roles: Roles
    plan: Plan
    preprocess: Preprocess
    column: Column
    model: nn.Module
    batches: Batches
    loss: nn.Module


def run_job(
    source: Any, recipe: Recipe, *, out: Path | None = None, began: float | None = None
) -> Generator[Event, None, Run]:
    """Train, measure, report. Yields what is worth telling; returns the run.

    Stopped from outside (Ctrl-C, SIGTERM), it keeps the weights so far as a bundle that was not measured.
    """
    clock = Clock(time.time() if began is None else began)
    clock.stages["import"] = round(clock.spent(), 3)
    if isinstance(source, str | Path):
        _keep_out_of(Path(source), out or RUNS, RUNS)
    prepared = yield from prepare_job(source, recipe, clock)
    run = new_run(prepared.data.name, out)
    facts = _facts(source, prepared)
    try:
        prepared.plan.recipe.write(run.recipe_file)
        run.write_facts(facts)
        with clock.stage("train"):
            yield from _train(prepared, run)
        with clock.stage("save"):
            bundle = save_bundle(prepared, run)
        with clock.stage("measure"):
            measured = yield from _measure(run, bundle, prepared)
        with clock.stage("inspect"):
            issues = inspect(_as_used(prepared.roles))
        facts["issues"] = [issue.as_dict() for issue in issues]
        for issue in issues:
            if issue.severity == "error":
                yield Event("warning", f"{issue.name}: {issue.detail}")
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
    return Run(run)


def _keep_out_of(data: Path, *places: Path) -> None:
    """Runs among the pictures would be taken for a class the next time."""
    for place in places:
        if data.is_dir() and place.resolve().is_relative_to(data.resolve()):
            raise UsageError(
                f"{place} lies under the data, {data}, where nothing is written",
                hint="Start from another folder.",
            )


def prepare_job(source: Any, recipe: Recipe, clock: Clock) -> Generator[Event, None, Prepared]:
    """Load and split the data, choose what is open, decode the training column, build the network."""
    with clock.stage("data"):
        data = load_data(source)
        roles = assign_roles(data, recipe.val_fraction, recipe.seed)
        yield Event("data", _data_words(data, roles))
        prepared = yield from _prepare(data, recipe, roles, clock)
    yield Event("plan", _plan_words(prepared))
    return prepared


def _prepare(
    data: ImageDataset, recipe: Recipe, roles: Roles, clock: Clock
) -> Generator[Event, None, Prepared]:
    runtime = find_runtime(recipe.device)
    plan = choose(recipe, roles.train, runtime)
    recipe = plan.recipe
    assert recipe.image_size and recipe.fit and recipe.model and recipe.batch_size and recipe.device
    preprocess = Preprocess((recipe.image_size, recipe.image_size), recipe.fit)
    spare = preprocess if _is_native(roles.train, preprocess) else preprocess.enlarged(_SPARE)
    column = yield from open_column(roles.train, spare, store=recipe.store)
    train = column.matching(roles.train)
    torch.manual_seed(recipe.seed)
    model = build(recipe.model, len(train.classes), recipe.image_size).to(recipe.device)
    batches = Batches(
        torch.from_numpy(column.pixels).to(recipe.device),
        torch.tensor(train.targets).to(recipe.device),
        preprocess,
        recipe.batch_size,
        Augment(bool(recipe.flip), recipe.shift),
        recipe.seed,
    )
    loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    plan = fit_budget(plan, model, batches, loss, clock.spent())
    return Prepared(data, roles, plan, preprocess, column, model, batches, loss)


def _as_used(roles: Roles) -> ImageDataset:
    """The data with the splits that this run used."""
    parts = [part for part in (roles.train, roles.choice, roles.held_out) if part is not None]
    return roles.train.with_examples([example for part in parts for example in part.examples])


def _is_native(train: ImageDataset, preprocess: Preprocess) -> bool:
    for index in range(len(train)):
        with contextlib.suppress(PictureError):  # the store says which and why
            return train.pixels(index).shape[:2] == preprocess.size
    return False


def _train(prepared: Prepared, run: RunDirectory) -> Iterator[Event]:
    recipe = prepared.plan.recipe
    assert recipe.epochs is not None
    torch.manual_seed(recipe.seed)  # sizing a budget has drawn from it
    training = fit(
        prepared.model,
        prepared.batches,
        loss=prepared.loss,
        optimizer=make_optimizer(prepared.model, recipe),
        epochs=recipe.epochs,
        schedule=SCHEDULES[recipe.schedule],
    )
    total = math.ceil(recipe.epochs)
    told = math.ceil(total / _TOLD)
    try:
        for epoch in training:
            if not math.isfinite(epoch.train_loss):
                raise DataError(
                    f"the loss became {epoch.train_loss} in epoch {epoch.index}",
                    hint=f"Try a lower lr than {recipe.lr}.",
                )
            append_json_line(run.metrics_file, vars(epoch))
            words = f"epoch {epoch.index}/{total}  loss {epoch.train_loss:.4f}  {epoch.seconds:.1f} s"
            ends = epoch.index == total
            yield (
                Event("train", words)
                if ends or epoch.index % told == 0
                else Event("train", f"epochs, loss {epoch.train_loss:.4f}", epoch.index, total)
            )
    except Exception:
        raise
    except BaseException:
        # Interrupted: what was learned so far is kept, unmeasured.
        save_bundle(prepared, run)
        raise


def save_bundle(prepared: Prepared, run: RunDirectory) -> Bundle:
    """Write `RUN/model/` and open it again: what is measured is what lies on disk."""
    bundle = Bundle(
        prepared.model,
        preprocess=prepared.preprocess,
        classes=prepared.roles.train.classes,
        name=prepared.plan.recipe.model or "",
        provenance={"lensmith": version("lensmith"), "run": run.path.name, "data": prepared.roles.train.name},
    )
    bundle.save(run.model)
    return load_model(run.model)


def _measure(run: RunDirectory, bundle: Bundle, prepared: Prepared) -> Generator[Event, None, Measurement]:
    import dataclasses

    roles = prepared.roles
    measured = yield from measure_bundle(
        bundle, roles.held_out, roles.held_out_name, store=prepared.plan.recipe.store
    )
    seen = record_look(
        run.looks_file, fingerprint=measured.data.fingerprint, run=run.path.name, split=roles.held_out_name
    )
    report = dataclasses.replace(measured.report, split=roles.held_out_name, held_out=True, seen=seen)
    measured.predictions.write(run.predictions_file)
    update_facts(run.model, bundle.with_facts(report=report.as_dict()).facts)
    write_json(run.report_file, report.as_dict())
    yield Event("measure", report.verdict())
    return dataclasses.replace(measured, report=report)


def _facts(source: Any, prepared: Prepared) -> dict[str, Any]:
    data, roles = prepared.data, prepared.roles
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "versions": _versions(),
        "machine": {"platform": platform.platform(), "python": platform.python_version()},
        "data": {
            "source": str(source) if isinstance(source, str | Path) else type(source).__name__,
            "name": data.name,
            "task": data.task,
            "classes": data.classes,
            "split": roles.made,
            "train": _counts(prepared.column.matching(roles.train)),
            **({"val": _counts(roles.choice)} if roles.choice else {}),
            roles.held_out_name: _counts(roles.held_out),
            "skipped": [vars(s) for s in (*data.skipped, *prepared.column.skipped)],
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


def _data_words(data: ImageDataset, roles: Roles) -> str:
    skipped = f", {len(data.skipped)} files skipped" if data.skipped else ""
    return (
        f"{len(data):,} pictures of {len(data.classes)} classes{skipped}; {len(roles.train):,} to train on, "
        f"{len(roles.held_out):,} held out as {roles.held_out_name} ({roles.made})"
    )


def _plan_words(prepared: Prepared) -> str:
    recipe = prepared.plan.recipe
    return (
        f"{recipe.model} at {recipe.image_size} px on {recipe.device}, {recipe.epochs:g} epochs, "
        f"batches of {recipe.batch_size}, {recipe.optimizer} lr {recipe.lr:g}"
    )
