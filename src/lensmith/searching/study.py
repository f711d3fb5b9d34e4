"""The trials of a sweep where they are written down: a study of Optuna, in a file of SQLite or on a server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lensmith.errors import UsageError
from lensmith.searching.space import Axis, Space, Span, read_axis
from lensmith.searching.storage import beating, hidden, naming_faults, open_storage, quiet
from lensmith.searching.trial import Row, Trial, row_of

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

_WARM_UP, _FEWEST = 3, 4
"""Tenths of a training, and trials, before any is ended early."""
_RANDOM = (4, 10)
"""Trials that are drawn at random first: a third of all, but no fewer and no more."""
_FACTS, _WORKER = "lensmith", "worker"


@dataclass(frozen=True)
class Draw:
    """How trials are drawn. random: so many at random first; seed: with the number of those before, it decides the
    draw, so that a sweep which goes on draws what it would have drawn."""

    random: int
    seed: int

    def sampler(self, before: int) -> optuna.samplers.BaseSampler:
        """Of the next trial. before: trials that are there."""
        import optuna

        return optuna.samplers.TPESampler(n_startup_trials=self.random, seed=self.seed + before)


class Study:
    """What processes and machines share of a sweep.

    space: what is searched; places: the storage, without a password, and what the processes of one machine that work
    on it in one directory have in common; was_there: before it was opened.
    """

    def __init__(
        self,
        study: optuna.Study,
        draw: Draw,
        space: Space,
        places: tuple[str, str],
        was_there: bool = False,
    ) -> None:
        self._study = study
        self._draw = draw
        self._distributions = {name: _distribution(axis) for name, axis in space.items()}
        self.space = space
        self.place, self._here = places
        self.was_there = was_there

    @property
    def lower_is_better(self) -> bool:
        """Whether the figure is an error."""
        return self._study.direction.name == "MINIMIZE"

    def rows(self) -> list[Row]:
        """All trials, the first begun first."""
        with naming_faults(self.place):
            trials = self._study.get_trials(deepcopy=False)
        return [row_of(trial, self.space) for trial in trials if trial.state.name != "WAITING"]

    def taken(self) -> int:
        """Trials that are done or running; those that were lost do not count."""
        return sum(row.state != "lost" for row in self.rows())

    def is_surplus(self, number: int, wanted: int) -> bool:
        """Whether there are enough trials without the one of this number."""
        return sum(row.state != "lost" for row in self.rows() if row.number < number) >= wanted

    def best(self) -> Row | None:
        """The best trial that went to its end; of equals the one with the lesser loss."""
        found = [row for row in self.rows() if row.state == "complete" and row.value is not None]
        sign = 1 if self.lower_is_better else -1
        return min(found, key=lambda row: (sign * (row.value or 0), row.loss or 0), default=None)

    @contextlib.contextmanager
    def trial(self) -> Iterator[Trial]:
        """A trial to be made, with its signs of life. Whoever leaves without a word has lost it: it is made once
        more."""
        with naming_faults(self.place), quiet():
            self._study.sampler = self._draw.sampler(len(self._study.get_trials(deepcopy=False)))
            asked = self._study.ask(self._distributions)
            asked.set_user_attr(_WORKER, self._here)
        trial = Trial(asked, self.space, self.place)
        with beating(self._study, asked):
            try:
                yield trial
            finally:
                if not trial.is_told:
                    trial.lose()
                    self._once_more(trial.number)

    def retry_lost(self, *, alone: bool = False) -> None:
        """Give up trials whose process is gone, each to be made once more, and no oftener.

        alone: no other process of this machine is at work on it, so that nothing has to be waited for.
        """
        from optuna.storages import fail_stale_trials
        from optuna.trial import TrialState

        with naming_faults(self.place), quiet():
            fail_stale_trials(self._study)
            for trial in self._study.get_trials(deepcopy=False) if alone else ():
                if trial.state == TrialState.RUNNING and trial.user_attrs.get(_WORKER) == self._here:
                    self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
                    self._once_more(trial.number)

    def importance(self) -> dict[str, float]:
        """Of each field, the share of the differences between good trials and all of them that it explains, by
        PED-ANOVA (Watanabe, Bansal, Hutter, arXiv 2304.10255); {} where the trials are too few or all alike."""
        import optuna

        rows = [row for row in self.rows() if row.state == "complete"]
        if len(rows) < 2 * _FEWEST or len({row.value for row in rows}) < 2:
            return {}
        with naming_faults(self.place), quiet(), contextlib.suppress(ValueError, RuntimeError):
            found: dict[str, float] = optuna.importance.get_param_importances(self._study)
            return {name: round(float(share), 4) for name, share in found.items()}
        return {}

    def _once_more(self, number: int) -> None:
        from optuna.storages import RetryHeartbeatStaleTrialCallback

        with naming_faults(self.place), quiet():
            frozen = self._study.get_trials(deepcopy=False)[number]
            RetryHeartbeatStaleTrialCallback(max_retry=1)(self._study, frozen)


def read_facts(url: str, name: str) -> dict[str, Any] | None:
    """The facts of the sweep of that name in a storage; None where there is none yet.

    Raises `MachineError` where the storage cannot be reached, `UsageError` for a study that is no sweep of this kind.
    """
    import optuna

    place, storage = hidden(url), open_storage(url)
    with naming_faults(place), quiet():
        try:
            facts = optuna.load_study(study_name=name, storage=storage).user_attrs.get(_FACTS)
        except KeyError:
            return None
    if not isinstance(facts, dict) or "space" not in facts:
        raise UsageError(
            f"study {name} in {place} was made by something else than lensmith sweep",
            hint="Give another --out, by which the study is called.",
        )
    return facts


def open_study(url: str, name: str, facts: dict[str, Any], folder: str, worker: int = 0) -> Study:
    """The study of that name, begun where there is none.

    facts: of the sweep; "space", "lower_is_better" and "trials" among them. folder: the sweep's own; worker: a number
    by which its processes draw differently.
    """
    import optuna

    place, storage = hidden(url), open_storage(url)
    space = {field: read_axis(field, text) for field, text in facts["space"].items()}
    with naming_faults(place), quiet():
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="minimize" if facts["lower_is_better"] else "maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_FEWEST, n_warmup_steps=_WARM_UP),
        )
        was_there = _FACTS in study.user_attrs
        if not was_there:
            study.set_user_attr(_FACTS, facts)
    low, high = _RANDOM
    drawn = min(high, max(low, facts["trials"] // 3))
    draw = Draw(drawn, facts["seed"] + 1_000 * worker)
    return Study(study, draw, space, (place, f"{socket.gethostname()}:{folder}"), was_there)


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(axis, Span):
        return CategoricalDistribution(axis.values)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.by_log)
    return FloatDistribution(axis.low, axis.high, log=axis.by_log)
