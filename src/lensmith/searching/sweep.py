"""`sweep`: search, confirm, train, measure: which recipe is best for some pictures, and is that more than luck?"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lensmith.data.sources import load_data
from lensmith.errors import LensmithError, UsageError
from lensmith.evaluation.paired_seeds import SeedsCompared
from lensmith.evaluation.spread import shown
from lensmith.runs.directory import RunDirectory, next_place
from lensmith.runs.fields import seconds_of
from lensmith.runs.lock import hold
from lensmith.runs.recipe import Recipe, named_recipe
from lensmith.searching.begin import Begun, Wish, afford, begin, recipe_of
from lensmith.searching.confirming import Limits, confirm
from lensmith.searching.grounds import load_roles
from lensmith.searching.outcome import Outcome, add_to_run, compared_nothing, outcome_of
from lensmith.searching.place import SweepDirectory, open_place
from lensmith.searching.search import Goal, search
from lensmith.searching.space import given_axes
from lensmith.searching.storage import hidden, require_optuna
from lensmith.searching.study import Study, open_study, read_facts
from lensmith.searching.timetable import SEEDS, Timetable
from lensmith.searching.trial import refuse_nothing
from lensmith.searching.trying import TimeOver, Trying, counted, never
from lensmith.searching.ways import Sights
from lensmith.searching.workers import Team, at_work
from lensmith.training.job import run_job
from lensmith.training.parts import take_parts
from lensmith.training.run import Run
from lensmith.training.train import finish
from lensmith.types import Event

_LOOK = 1.0
"""Seconds between two looks at what other machines do."""


@dataclass(frozen=True)
class Job:
    """A sweep that is going on. over: by when (time.time), where a budget says."""

    source: Any
    wish: Wish
    place: SweepDirectory
    url: str
    begun: Begun
    study: Study
    trying: Trying
    over: float | None


def sweep(
    data: Any,
    *,
    trials: int | None = None,
    budget: str | None = None,
    recipe: Recipe | str | Path | None = None,
    out: str | Path | None = None,
    storage: str | None = None,
    workers: int = 1,
    quiet: bool = False,
    **fields: Any,
) -> Run | None:
    """Search the recipe that does best, confirm it against the default by fresh seeds, and train by what is better.

    data: as for `train`. trials: recipes that are tried beside the default one, 20 if not given; budget: time for
    all, such as "30m". fields: recipe fields; `lr="0.001..0.1"` and `batch_size=[64, 128]` are searched, what has one
    value stays, and a usual space is searched where nothing is said. out: the sweep's directory, which goes on where
    it holds one; storage: a database URL, for sweeps of many machines; workers: processes of this one.

    Trials see the training pictures alone; those held out are looked at once, by the last training, whose run is
    returned: by the machine that began the sweep, one that joined it returns None. A network that is given as an
    object is copied for each training. Raises `MachineError` where Optuna is not installed.
    """
    require_optuna()
    if not isinstance(recipe, Recipe):
        recipe = Recipe() if recipe is None else named_recipe(recipe)
    space, fixed = given_axes(fields)
    recipe, parts = take_parts(recipe, fixed)
    wish = Wish(
        recipe,
        parts,
        frozenset(fixed),
        space,
        trials,
        None if budget is None else seconds_of(budget),
        None if out is None else Path(out),
        storage,
        workers,
    )
    return finish(run_sweep(data, wish), quiet)


def run_sweep(source: Any, wish: Wish, began: float | None = None) -> Generator[Event, None, Run | None]:
    """A sweep as events; returns the run of the last training, None where that is for another machine. began:
    time.time, from which on the budget counts."""
    require_optuna()
    began = time.time() if began is None else began
    over = None if wish.budget is None else began + wish.budget
    threads = torch.get_num_threads()
    place = open_place(source, "" if wish.out else _name_of(source, wish), wish.out)
    try:
        with hold(place.path) as cured:
            if cured:
                yield Event("sweep", cured)
            return (yield from _held(source, wish, place, over))
    finally:
        place.remove_if_empty()
        torch.set_num_threads(threads)


def _held(
    source: Any, wish: Wish, place: SweepDirectory, over: float | None
) -> Generator[Event, None, Run | None]:
    """A sweep in a directory that no other process works in."""
    try:
        job = yield from _open(source, wish, place, over)
        return (yield from _go_on(job))
    except BaseException as stop:
        if place.facts_file.exists():
            stop.add_note(f"what is done is kept; to go on: lensmith sweep DATA --out {place.path}")
        else:
            place.clear()
        raise


def plan_sweep(source: Any, wish: Wish, began: float) -> Generator[Event, None, Begun]:
    """What a sweep would do and how long it would take; nothing is written, and nothing is trained."""
    require_optuna()
    place = SweepDirectory(wish.out or Path())
    known = place.facts() if wish.out is not None else {}
    recipe = recipe_of(known, wish.recipe) if known else wish.recipe
    roles = load_roles(source, recipe, place.splits_file if known else None)
    begun = yield from begin(source, wish, roles, known or None)
    yield Event("sweep", begun.words())
    over = None if wish.budget is None else began + wish.budget
    yield Event("plan", estimate_words(begun, over, wish.workers))
    return begun


def _name_of(source: Any, wish: Wish) -> str:
    return load_data(source, root=wish.recipe.root, task=wish.recipe.task).name


def _open(source: Any, wish: Wish, place: SweepDirectory, over: float | None) -> Generator[Event, None, Job]:
    url, here = wish.storage or place.url, place.facts()
    known = here or read_facts(url, place.study)
    recipe = wish.recipe if known is None else recipe_of(known, wish.recipe)
    roles = load_roles(source, recipe, place.splits_file)
    begun = yield from begin(source, wish, roles, known)
    yield Event("sweep", begun.words())
    trying = Trying(begun.setting, Sights(begun.setting) if begun.is_of_heads else None, place.trials)
    if known is None:
        yield Event("plan", estimate_words(begun, over, wish.workers))
        begun = afford(begun, wish, (yield from _usual(begun, trying, over)), over)
    facts = begun.facts | {"storage": hidden(url) if wish.storage else ""}
    facts |= {"joined": here.get("joined", known is not None)}
    place.write(facts)
    yield Event("sweep", f"what is done is kept in {place.path}; --out {place.path} goes on with it")
    study = open_study(url, place.study, facts, str(place.path.absolute()))
    return Job(source, wish, place, url, replace(begun, facts=facts), study, trying, over)


def _go_on(job: Job) -> Generator[Event, None, Run | None]:
    """Trials, the comparison, the last training; whatever of it is done already is not done again."""
    facts = job.begun.facts
    if "outcome" not in facts:
        yield from _compare(job)
    if facts["joined"]:
        yield Event(
            "sweep", "no trial is left to make here; the machine that began the sweep goes on with it"
        )
        return None
    return (yield from _train(job, Outcome(**facts["outcome"])))


def _compare(job: Job) -> Generator[Event, None, None]:
    """All trials, then the best of them beside the default recipe, once: a second comparison on the same pictures
    would be a choice by them."""
    study, facts = job.study, job.begun.facts
    study.retry_lost(alone=True)
    table = yield from _scheduled(job)
    yield from _searched(job, Goal(job.begun.trials, table, facts["figure"]))
    if not facts["joined"]:
        refuse_nothing(study.rows())
        outcome = yield from _confirmed(job, table, facts["usual"])
        facts["outcome"] = vars(outcome)
        job.place.write(facts)


def _searched(job: Job, goal: Goal) -> Generator[Event, None, None]:
    """All trials; where other machines are still at some, they are waited for, and made here where those are gone."""
    study, team = job.study, Team(job.source, job.url, job.place.path, goal, job.wish.workers)
    while True:
        if team.workers > 1:
            words = yield from at_work(team, study)
        else:
            words = yield from search(study, job.trying, job.begun.base, goal)
        if words:
            yield Event("warning", words)
        is_running = any(row.state == "running" for row in study.rows())
        ends = goal.table.trials_end()
        if words or job.begun.facts["joined"] or not is_running or (ends is not None and time.time() > ends):
            return
        time.sleep(_LOOK)


def _scheduled(job: Job) -> Generator[Event, None, Timetable]:
    """By what the default recipe took: how many seeds, and whether anything fits into the budget at all."""
    table = job.begun.timetable(job.over)
    trials = job.begun.trials - job.study.taken()
    if table.over is None or trials <= 0:
        return table
    left = table.over - time.time()
    table, count = table.fitting(left, trials, job.wish.workers)
    if not count and not job.study.taken():
        raise table.refusal(left, job.wish.workers)
    if count < trials:
        yield Event(
            "warning", f"about {count} of {trials} trials will fit into the {_time(left)} that are left"
        )
    return table


def estimate_words(begun: Begun, over: float | None, workers: int) -> str:
    """What a sweep takes about, by a few steps that were timed, and what of it fits."""
    table, trials = begun.timetable(over), begun.trials
    whole = table.training + table.whole(trials, workers)
    parts = f"{trials} trials, {table.seeds} + {table.seeds} trainings to confirm the winner and the last one take"
    words = f"{parts} about {_time(whole)}, going by a few steps"
    if over is None:
        return words
    left = over - time.time()
    table, count = table.fitting(left - table.training, trials, workers)
    if count == trials and table.seeds == SEEDS:
        return f"{words}; {_time(left)} are left"
    fits = f"{count} trials, confirmed by {table.seeds} of each" if count else "hardly one trial"
    return f"{words}, and {_time(left)} are left: {fits} may fit"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _usual(begun: Begun, trying: Trying, over: float | None) -> Generator[Event, None, dict[str, Any]]:
    """How the recipe does that nobody chose, which every trial is to beat."""
    try:
        judged = yield from counted(trying.judged(begun.base, "usual", never, over), "the default recipe")
    except TimeOver:
        raise UsageError(
            "the budget was over before the default recipe was tried once",
            hint="Give a longer one, or fewer epochs; lensmith sweep --dry-run says what is needed.",
        ) from None
    figure = begun.facts["figure"]
    words = f"{figure.replace('_', ' ')} {shown(figure, judged.value)}"
    yield Event("sweep", f"the default recipe: {words}, in {judged.seconds:.1f} s")
    return vars(judged)


def _confirmed(job: Job, table: Timetable, usual: dict[str, Any]) -> Generator[Event, None, Outcome]:
    """The winner beside the default recipe, unless that was better already."""
    best, facts = job.study.best(), job.begun.facts
    winner = None if best is None else job.begun.base.changed(**best.params)
    found: SeedsCompared | None = None
    why = compared_nothing(best, usual, job.study.lower_is_better)
    if not why and winner is not None and best is not None:
        ends = table.confirming_ends(best.anew or usual["anew"])
        limits = Limits(table.seeds, ends)
        rivals = winner, job.begun.base
        try:
            found = yield from confirm(
                job.begun.setting, rivals, limits, job.trying.sights, job.place.confirming
            )
        except LensmithError as error:
            why = f"a training for the comparison came to nothing ({error.message})"
        if found is None and not why:
            why = "the time was not enough to compare the best with the default recipe"
    outcome = outcome_of(job.study, facts, found, why)
    yield Event("confirm", outcome.verdict)
    return outcome


def _train(job: Job, outcome: Outcome) -> Generator[Event, None, Run]:
    """The model by the recipe that the sweep says, on all training pictures, measured as any other."""
    facts, place = job.begun.facts, job.place
    parts = job.begun.setting.fresh_parts()
    run = RunDirectory(place.path.parent / facts["run"]) if "run" in facts else None
    if run is not None and run.is_complete() and run.page_file.exists():
        finished = Run(run)
        yield Event("sweep", f"{place.path} is finished; its run is {run.path}")
    elif run is not None and run.facts_file.exists():
        with hold(run.path):
            finished = yield from run_job(job.source, run.recipe(), parts=parts, going_on=run)
    else:
        path = next_place(place.path.parent, job.begun.setting.grounds.learn.name)
        facts["run"] = path.name
        place.write(facts)
        recipe = job.begun.plain.changed(**outcome.chosen, splits=str(place.splits_file))
        finished = yield from run_job(job.source, recipe, parts=parts, out=path)
    if not finished.directory.sweep_file.exists():
        add_to_run(finished.directory, place.path, outcome)
    return finished
