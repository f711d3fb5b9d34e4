"""What is settled before the first trial: how the pictures are learned, what is searched, and how long that takes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lensmith.data.splitting import Roles
from lensmith.errors import UsageError
from lensmith.runs.recipe import Recipe
from lensmith.searching.grounds import Grounds, digest_of, spare
from lensmith.searching.judging import FIGURES, LOWER_IS_BETTER
from lensmith.searching.space import Space, Values, differing, read_axis, shown, words_of
from lensmith.searching.timetable import Timetable
from lensmith.searching.usual import chosen_space, usual_space
from lensmith.searching.ways import Setting, get_ready, refuse_bound_parts
from lensmith.training.parts import Parts, settle
from lensmith.training.prepare import Prepared
from lensmith.training.tryout import is_undecided, try_out
from lensmith.types import Event

_SAME = ("model", "pretrained", "freeze", "flip", "precision", "layout")
"""What is chosen once, for all trials, and for the last training too; of passes as well."""
_OF_THE_MACHINE = ("device", "threads", "store")
"""What another machine at the same sweep may have otherwise."""
_ALONE = {"checkpoint_every": "off", "histograms": 0}
"""Of trials, which are begun anew where they are interrupted."""
TRIALS = 20
"""Where nobody says how many."""


@dataclass(frozen=True)
class Wish:
    """What was asked for. recipe: what trials begin with; fixed: its fields that somebody gave one value; space:
    those that are searched; budget: seconds; out: the sweep's directory; storage: a database of studies."""

    recipe: Recipe
    parts: Parts = field(default_factory=Parts)
    fixed: frozenset[str] = frozenset()
    space: Space = field(default_factory=dict)
    trials: int | None = None
    budget: float | None = None
    out: Path | None = None
    storage: str | None = None
    workers: int = 1

    def asked(self) -> dict[str, str]:
        """The fields that somebody set, in words."""
        named = dataclasses.asdict(self.recipe) | words_of(self.space)
        usual = dataclasses.asdict(Recipe())
        return {
            name: str(value)
            for name, value in named.items()
            if (value != usual[name] or name in self.fixed) and name not in _OF_THE_MACHINE
        }


@dataclass(frozen=True)
class Times:
    """Seconds. training: a trial by the default recipe; looks: looking at all pictures in each size but its own, None
    where networks are trained; ready: what stood before the first step, reading the pictures among it."""

    training: float = 0.0
    looks: float | None = None
    ready: float = 0.0


@dataclass(frozen=True)
class Begun:
    """A sweep before its first trial.

    facts: as they are written down, in the study too; plain: what the last training begins with, and base: what all
    trials do; times: what was measured or estimated.
    """

    facts: dict[str, Any]
    setting: Setting
    plain: Recipe
    base: Recipe
    space: Space
    times: Times
    held_out: int

    @property
    def is_of_heads(self) -> bool:
        """Whether trials fit last layers to features."""
        return bool(self.base.freeze)

    def timetable(self, over: float | None) -> Timetable:
        """By the times so far. over: by when (time.time) all has to be done, where a budget says."""
        grounds, each = self.setting.grounds, self.times.training
        learn = len(grounds.learn)
        known = learn + (len(grounds.judge) if grounds.judge is not None and not grounds.said_by_data else 0)
        last = (known + len(grounds.confirm)) / learn
        passes = max(1.0, self.base.epochs or 1.0)
        views = 2 if self.setting.mirrored else 1
        measuring = each / (views if self.is_of_heads else passes) / learn * self.held_out
        closing = measuring + self.times.ready
        confirming = len(grounds.confirm) / learn / views if self.is_of_heads else known / learn
        return Timetable(each, self.times.looks, confirming, last, closing, over)

    @property
    def trials(self) -> int:
        """How many are made, beside that of the default recipe."""
        found: int = self.facts["trials"]
        return found

    def words(self) -> str:
        """What is searched, on which pictures."""
        figure = self.facts["figure"].replace("_", " ")
        return f"{self.trials} trials, by {figure}, of {shown(self.space)}; {self.setting.grounds.said}"


def begin(
    source: Any, wish: Wish, roles: Roles, known: Mapping[str, Any] | None
) -> Generator[Event, None, Begun]:
    """known: the facts of the sweep, where it was begun before, here or on another machine.

    Raises `UsageError` where these are of another sweep.
    """
    refuse_bound_parts(wish.parts)
    _refuse_several(wish)
    if known is not None:
        return _begun_before(wish, roles, known)
    # What a recipe's file says of the clock was for a training of its own.
    recipe, parts = settle(wish.recipe.changed(budget=None, changes=None), wish.parts)
    if parts.from_run is not None:
        parts.from_run.require_task(roles.train)
    grounds, reasons = spare(roles, True, recipe.seed), dict[str, str]()
    if is_undecided(recipe, parts, grounds.learn):
        recipe, reasons = yield from try_out(recipe, grounds.learn)
    began = time.perf_counter()
    first = Setting(grounds, parts, reasons)
    prepared = yield from get_ready(first, recipe, dataclasses.replace(grounds.for_a_trial(), choice=None))
    ready = time.perf_counter() - began
    plan = prepared.plan
    grounds = spare(roles, bool(plan.recipe.freeze), recipe.seed)
    space = chosen_space(
        usual_space(plan, len(grounds.learn), bool(plan.recipe.flip)),
        wish.space,
        wish.fixed,
        plan.recipe,
    )
    base = recipe.changed(**_settled(prepared, space))
    facts = {
        "asked": wish.asked(),
        "base": {
            name: value
            for name, value in dataclasses.asdict(base).items()
            if value is not None and name not in _OF_THE_MACHINE
        },
        "space": words_of(space),
        "pictures": _digest(grounds),
        "figure": FIGURES[grounds.learn.task],
        "lower_is_better": FIGURES[grounds.learn.task] in LOWER_IS_BETTER,
        "trials": TRIALS if wish.trials is None else wish.trials,
        "seed": recipe.seed,
        "grounds": grounds.said,
        "reasons": {name: plan.reasons[name] for name in _SAME if name in plan.reasons},
    }
    setting = Setting(grounds, parts, reasons, _is_mirrored(base, space))
    side = facts["side"] = plan.recipe.image_size or 1
    times = Times(prepared.seconds, _looks(base, space, side, prepared.seconds), ready)
    return Begun(facts, setting, base, _for_trials(base, grounds), space, times, len(roles.held_out))


def _begun_before(wish: Wish, roles: Roles, known: Mapping[str, Any]) -> Begun:
    asked = wish.asked()
    if asked and (apart := differing(known["asked"], asked)):
        raise UsageError(
            f"this sweep was begun with other words: {apart}",
            hint="Leave them out to go on with it, or give another --out to begin another one.",
        )
    trials = known["trials"] if wish.trials is None else wish.trials
    if "outcome" in known and trials > known["trials"]:
        raise UsageError(
            f"trials={trials}: the winner of this sweep's {known['trials']} was compared with the default already",
            hint="Another comparison on the same pictures would be a choice by them. Begin a new sweep.",
        )
    base = recipe_of(known, wish.recipe)
    grounds = spare(roles, bool(base.freeze), base.seed)
    if _digest(grounds) != known["pictures"]:
        raise UsageError(
            "the pictures are not those that this sweep was begun with, or are divided otherwise",
            hint="Give another --out, and the sweep begins anew.",
        )
    space = {name: read_axis(name, text) for name, text in known["space"].items()}
    _, parts = settle(base, wish.parts)
    setting = Setting(grounds, parts, {}, _is_mirrored(base, space))
    times = Times(**known.get("times", {}))
    held_out = len(roles.held_out)
    facts = dict(known) | {"trials": trials}
    return Begun(facts, setting, base, _for_trials(base, grounds), space, times, held_out)


def _refuse_several(wish: Wish) -> None:
    recipe = wish.recipe
    for name, count in (("seeds", recipe.seeds), ("folds", recipe.folds)):
        if count > 1:
            raise UsageError(
                f"{name}={count}: a sweep trains many times already",
                hint=f"Ask for it afterwards: lensmith train DATA --recipe RUN/recipe.toml {name}={count}.",
            )
    if "budget" in wish.fixed:
        raise UsageError(
            f"budget={recipe.budget} is the time of one training", hint="--budget is that of the whole sweep."
        )


def recipe_of(known: Mapping[str, Any], here: Recipe) -> Recipe:
    """The recipe that the trials of a sweep begin with, as written down. here: what is said of this machine."""
    local = {name: getattr(here, name) for name in _OF_THE_MACHINE}
    return Recipe().changed(**known["base"], **local)


def _settled(prepared: Prepared, space: Space) -> dict[str, Any]:
    """What is the same for all."""
    recipe = prepared.plan.recipe
    names = [*_SAME, *(("epochs",) if not recipe.freeze else ())]
    return {name: getattr(recipe, name) for name in names if name not in space}


def _for_trials(base: Recipe, grounds: Grounds) -> Recipe:
    """Where the data have a split for choices, its best epoch is kept, as in any training; else the last one."""
    keep = base.keep if grounds.said_by_data and base.keep != "all" else "last"
    return base.changed(keep=keep, **_ALONE)


def afford(begun: Begun, wish: Wish, usual: Mapping[str, Any], over: float | None) -> Begun:
    """By what the default recipe took: of last layers in as few sizes as let enough trials fit into the budget.

    usual: how it did; over: by when (time.time) all has to be done.
    """
    sizes = begun.space.get("image_size")
    may_leave_out = begun.is_of_heads and over is not None and "image_size" not in wish.space
    counts = range(len(sizes.values), 0, -1) if isinstance(sizes, Values) and may_leave_out else [0]
    for count in counts:
        space = dict(begun.space)
        if isinstance(sizes, Values) and count:
            space["image_size"] = Values(sizes.values[:count])
        if count == 1:
            del space["image_size"]
        found = _with_times(begun, space, usual)
        table, trials = found.timetable(over), found.trials
        if over is None or table.is_enough(
            table.fitting(over - time.time(), trials, wish.workers)[1], trials
        ):
            break
    return found


def _with_times(begun: Begun, space: Space, usual: Mapping[str, Any]) -> Begun:
    each = usual["anew"]
    times = Times(each, _looks(begun.base, space, begun.facts["side"], each), begun.times.ready)
    facts = begun.facts | {"space": words_of(space), "usual": dict(usual), "times": vars(times)}
    return replace(begun, facts=facts, space=space, times=times)


def _looks(base: Recipe, space: Space, usual: int, each: float) -> float | None:
    """Seconds of looking at all pictures in the sizes beside the usual one, in which they take `each`."""
    if not base.freeze:
        return None
    sizes = space.get("image_size")
    others = [size for size in sizes.values if size != usual] if isinstance(sizes, Values) else []
    return float(sum(each * ((size or usual) / usual) ** 2 for size in others))


def _is_mirrored(base: Recipe, space: Space) -> bool:
    flips = space.get("flip")
    return bool(base.flip) or (isinstance(flips, Values) and True in flips.values)


def _digest(grounds: Grounds) -> str:
    return digest_of((grounds.learn, grounds.judge, grounds.confirm))
