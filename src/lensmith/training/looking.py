"""A saved model is looked at: measured on the pictures held out, by other seeds too, and studied.

What few runs need, or only after the figure is told, is imported there, so that no run waits for it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from lensmith.bundle.bundle import Bundle
from lensmith.bundle.measure import Measurement, measure_bundle
from lensmith.bundle.storage import update_facts
from lensmith.evaluation.report import Report
from lensmith.features.linear import LinearHead
from lensmith.planning.clock import Clock
from lensmith.runs.directory import RunDirectory
from lensmith.runs.fields import seconds_of
from lensmith.runs.files import read_json, write_json
from lensmith.runs.looks import record_look
from lensmith.training.prepare import Prepared
from lensmith.training.transfer import Seen
from lensmith.types import Event

if TYPE_CHECKING:
    from lensmith.training.folds import OutOfFold
    from lensmith.training.parts import Parts

_STUDIED = 0.1
"""Share of a run's time that studies of the finished model may take where no budget says."""


def measure_model(
    run: RunDirectory, bundle: Bundle, prepared: Prepared, folded: OutOfFold | None
) -> Generator[Event, None, Measurement]:
    """Measure what lies on disk on the pictures held out, once, and note the look; without any, out of fold."""
    roles, store = prepared.roles, prepared.plan.recipe.store
    if folded is not None and not len(roles.held_out):
        from lensmith.training.folds import as_measurement

        measured = yield from as_measurement(folded, bundle, store)
    else:
        measured = yield from measure_bundle(
            bundle, roles.held_out, roles.held_out_name, store=store, processes=prepared.processes
        )
    if run.report_file.exists():  # of this model, before the run was interrupted
        seen = int(read_json(run.report_file)["seen"])
    else:
        seen = record_look(
            run.looks_file,
            fingerprint=measured.data.fingerprint,
            run=run.path.name,
            split=roles.held_out_name,
        )
    studies = measured.report.studies | ({"folds": folded.figures.as_dict()} if folded else {})
    report = dataclasses.replace(
        measured.report, split=roles.held_out_name, held_out=True, seen=seen, studies=studies
    )
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


def tell_gain(
    run: RunDirectory, prepared: Prepared, without: LinearHead | None, measured: Measurement
) -> Generator[Event, None, Measurement]:
    """Whether decisions on pictures, where there are some, were good for the model goes into the report."""
    if prepared.decided is None:
        return measured
    if without is None:
        words = f"what they changed: lensmith compare {run.path} RUN, where RUN is one without decisions"
        yield Event("decisions", words)
        return measured
    from lensmith.training.decided import compare_without

    comparison = yield from compare_without(prepared, without, measured)
    yield Event("decisions", comparison.verdict())
    return _with_study(run, measured, "decisions", comparison.as_dict())


def measure_by_seeds(
    prepared: Prepared,
    unspent: Parts | None,
    run: RunDirectory,
    seen: Seen | None,
    measured: Measurement,
    clock: Clock,
) -> Generator[Event, None, Measurement]:
    """The spread over the seeds asked for goes into the report, among the studies."""
    from lensmith.training.repeats import Again, train_by_seeds

    spread = yield from train_by_seeds(Again(prepared, unspent, run, seen), measured, clock)
    yield Event("seeds", spread.verdict())
    return _with_study(run, measured, "seeds", spread.as_dict())


def _with_study(run: RunDirectory, measured: Measurement, name: str, facts: dict[str, Any]) -> Measurement:
    report = dataclasses.replace(measured.report, studies={**measured.report.studies, name: facts})
    write_json(run.report_file, report.as_dict())
    return dataclasses.replace(measured, report=report)


def study_model(
    run: RunDirectory,
    bundle: Bundle,
    prepared: Prepared,
    measured: Measurement,
    clock: Clock,
    seen: Seen | None = None,
) -> Generator[Event, None, None]:
    """What more can be told in a little time: in what is left of a budget, without one in a tenth of the run's.

    seen: what the last layer learned from, where it alone was trained.
    """
    from lensmith.studies.studied import study
    from lensmith.studies.subject import Subject

    recipe = prepared.plan.recipe
    left = _STUDIED * clock.spent()
    if recipe.budget is not None:
        left = seconds_of(recipe.budget) - clock.spent()
    train = prepared.column.matching(prepared.roles.train)
    ends = time.perf_counter() + left
    features = None if seen is None else seen.features[: len(train)]  # the first view of each
    found = measured.data, measured.predictions, measured.report
    subject = Subject(run, bundle, train, *found, ends, features)
    report = yield from study(subject)
    if left_out := report.studies.get("left_out"):
        names = ", ".join(left_out).replace("_", " ")
        yield Event("", f"left out: {names}. To add them: lensmith report {run.path} --full")


def _beside(report: Report) -> str:
    """What a figure means: its interval, what no model at all would reach, how often these pictures served."""
    words = ["the range is a 95% confidence interval"]
    if report.task == "classification" and report.baseline is not None:
        words.append(f"always saying the commonest class would get {report.baseline.value.value:.1%}")
    if report.seen > 1:
        words.append(f"{report.seen} models have been measured on these pictures")
    return "; ".join(words)
