"""What a sweep came to: its trials, what mattered, the comparison, and by which recipe is trained in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.evaluation.paired_seeds import SeedsCompared
from lensmith.report.page import write_page
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_json
from lensmith.searching.space import axis_facts
from lensmith.searching.study import Study
from lensmith.searching.trial import Row


@dataclass(frozen=True)
class Outcome:
    """chosen: the fields that the last training takes from the sweep, none where the default recipe is kept; verdict:
    why, in words; facts: all of it, as `RUN/sweep.json` holds it."""

    chosen: dict[str, Any]
    verdict: str
    facts: dict[str, Any]


def compared_nothing(best: Row | None, usual: Mapping[str, Any], lower_is_better: bool) -> str:
    """Why there is nothing to confirm, in words; "" where there is."""
    if best is None or best.value is None:
        return "no trial went to its end"
    sign = -1 if lower_is_better else 1
    gain = sign * (best.value - usual["value"])
    if gain < 0 or (gain == 0 and (best.loss or 0.0) >= (usual["loss"] or 0.0)):
        return "no trial did better than the default recipe"
    return ""


def outcome_of(study: Study, facts: dict[str, Any], found: SeedsCompared | None, why: str) -> Outcome:
    """found: the comparison, where there was one; why: there was none, or it counts for nothing."""
    rows, best = study.rows(), study.best()
    is_better = found is not None and not why and found.is_better
    verdict = f"{why}: the default is kept" if why or found is None else found.verdict()
    chosen = dict(best.params) if is_better and best is not None else {}
    told = {
        "verdict": verdict,
        "chosen": chosen,
        "best": None if best is None else best.as_dict(),
        "figure": facts["figure"],
        "lower_is_better": facts["lower_is_better"],
        "axes": [{"name": name, **axis_facts(axis)} for name, axis in study.space.items()],
        "grounds": facts["grounds"],
        "usual": facts["usual"],
        "trials": [row.as_dict() for row in rows if row.state != "lost"],
        "importance": study.importance(),
        "confirmed": None if found is None else found.as_dict(),
        "storage": facts["storage"],
    }
    return Outcome(chosen, verdict, told)


def add_to_run(run: RunDirectory, sweep: Path, outcome: Outcome) -> None:
    """What the sweep says goes into the run that came of it, and onto its page."""
    facts = run.facts()
    why = f"the sweep {sweep.name}: {outcome.verdict}"
    facts["choices"] |= dict.fromkeys(outcome.chosen, why)
    facts["sweep"] = {"directory": str(sweep), "verdict": outcome.verdict}
    run.write_facts(facts)
    write_json(run.sweep_file, outcome.facts | {"directory": str(sweep)})
    write_page(run)
