"""One trial of a study: what it tries, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lensmith.errors import DataError
from lensmith.searching.space import Space, Span
from lensmith.searching.storage import naming_faults

if TYPE_CHECKING:
    import optuna

ERROR = "error"


@dataclass(frozen=True)
class Row:
    """One trial as it is written down.

    state: complete, pruned, failed, lost (its process ended, or time was over) or running; value: the figure that
    trials are compared by, of a pruned one the last; loss: what parts equals; seconds: that it took; anew: that it
    would take with nothing there already; error: why it failed.
    """

    number: int
    state: str
    params: dict[str, Any]
    value: float | None
    loss: float | None
    seconds: float | None
    anew: float | None = None
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return dict(vars(self))


class Trial:
    """A trial that is being made. `params`: what it tries, field -> value."""

    def __init__(self, asked: optuna.Trial, space: Space, place: str) -> None:
        self._place = place
        self._asked = asked
        self.params = values_of(asked.params, space)
        self.number = asked.number
        self.is_told = False

    def report(self, share: float, value: float) -> bool:
        """A figure on the way, after a share of the passes; returns whether the trial is better ended.

        By the median rule (Golovin and others, 2017, section 3.2.2): its best figure so far is worse than the median
        of the others' at that point of their training. With some dozens of trials it needs no more to go by, and a
        trial loses nothing for being long.
        """
        with naming_faults(self._place):
            self._asked.report(value, int(10 * share + 1e-9))
            return bool(self._asked.should_prune())

    def complete(self, value: float, loss: float | None, seconds: float, anew: float) -> None:
        """It went to its end. anew: seconds that it would take with nothing there already."""
        self._end("COMPLETE", value, loss=loss, seconds=seconds, anew=anew)

    def prune(self, seconds: float) -> None:
        """It was ended early."""
        self._end("PRUNED", None, seconds=seconds)

    def fail(self, error: str, seconds: float) -> None:
        """It came to nothing, and would again."""
        self._end("FAIL", None, error=error, seconds=seconds)

    def lose(self) -> None:
        """It was stopped from outside; it does not count."""
        self._end("FAIL", None)

    def _end(self, state: str, value: float | None, **facts: Any) -> None:
        from optuna.trial import TrialState

        with naming_faults(self._place):
            for name, fact in facts.items():
                self._asked.set_user_attr(name, fact)
            self._asked.study.tell(self.number, value, state=TrialState[state], skip_if_finished=True)
        self.is_told = True


def values_of(params: dict[str, Any], space: Space) -> dict[str, Any]:
    """As a recipe holds them: four digits of a number are more than a sweep can tell."""
    found = {}
    for name, value in params.items():
        axis = space.get(name)
        is_number = isinstance(axis, Span) and not axis.whole
        found[name] = float(f"{value:.4g}") if is_number else value
    return found


def row_of(trial: optuna.trial.FrozenTrial, space: Space) -> Row:
    """A trial as it is written down."""
    facts, state = trial.user_attrs, trial.state.name
    names = {"COMPLETE": "complete", "PRUNED": "pruned", "RUNNING": "running"}
    word = names.get(state, "failed" if ERROR in facts else "lost")
    value = trial.value if state in ("COMPLETE", "PRUNED") else None
    loss, seconds = facts.get("loss"), facts.get("seconds")
    return Row(
        trial.number,
        word,
        values_of(trial.params, space),
        value,
        loss,
        seconds,
        facts.get("anew"),
        facts.get(ERROR, ""),
    )


def refuse_nothing(rows: Sequence[Row]) -> None:
    """Raise `DataError` where no trial went to its end, with the first reason."""
    failed = [row for row in rows if row.state == "failed"]
    if not any(row.state == "complete" for row in rows) and failed:
        first = failed[0]
        tried = " ".join(f"{name}={value}" for name, value in first.params.items())
        raise DataError(
            f"all {len(failed)} trials failed; the first, {tried}: {first.error}",
            hint="Search another range; a train with these words says more.",
        )
