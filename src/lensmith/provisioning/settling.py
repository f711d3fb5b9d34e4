"""From wishes that cannot all come true to ones that can: what gives way, one thing at a time, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from packaging.version import Version

from lensmith.provisioning.resolving import (
    Question,
    Resolution,
    Trouble,
    has_wheel_somewhere,
    in_plain_words,
    resolve,
)
from lensmith.provisioning.wishes import FAMILY, Wish
from lensmith.repositories.reading import Fault

_ROUNDS = 40
_TRIED = 6
"""Pins of one conflict that are lifted on trial."""
_UNDER_2 = "numpy<2"
_NUMPY_2 = Version("2.3")
"""The first torch that was built for numpy 2 (pytorch#107302)."""


@dataclass(frozen=True)
class Change:
    """What gave way. built: by a build step; lifted: any version; late: newer than the day; dropped: left out."""

    kind: Literal["built", "lifted", "late", "dropped"]
    wish: Wish
    why: str
    others: tuple[Wish, ...] = ()
    for_python: bool = False


@dataclass(frozen=True)
class Settled:
    """`resolution` is None where nothing could be resolved; `trouble` says why."""

    question: Question
    resolution: Resolution | None
    trouble: Trouble | None
    changes: tuple[Change, ...]

    @property
    def lifted(self) -> int:
        """How many pins did not hold."""
        return sum(
            change.kind in ("lifted", "dropped") and not change.wish.guessed for change in self.changes
        )

    @property
    def asks_for_another_python(self) -> bool:
        """Whether a pin gave way only because this Python has no wheel for it."""
        return any(change.for_python for change in self.changes)

    @property
    def to_build(self) -> tuple[str, ...]:
        """What a build step has to bring, as pip takes it."""
        return tuple(change.wish.requirement for change in self.changes if change.kind == "built")

    def faults(self) -> list[Fault]:
        """Every change, explained."""
        taken = self.resolution.versions if self.resolution else {}
        found = [_explain(change, taken.get(change.wish.name, "")) for change in self.changes]
        if _UNDER_2 in self.question.limits and "numpy" in taken:
            words = f"torch {taken['torch']} was built before numpy 2, whose arrays it cannot read"
            cure = f"The plan adds {_UNDER_2} and takes numpy {taken['numpy']}."
            found.append(Fault("numpy 2 beside an older torch", "warning", words, cure))
        return found


def settle(question: Question, *, until: float) -> Settled:
    """Resolve; where that cannot be, let one wish give way and try again, until the monotonic clock says `until`."""
    changes: list[Change] = []
    answer: Resolution | Trouble = Trouble("time", "there was no time left to resolve")
    for _ in range(_ROUNDS):
        answer = resolve(question)
        if isinstance(answer, Resolution):
            if not _breaks_numpy(answer, question):
                return Settled(question, answer, None, tuple(changes))
            question = replace(question, limits=(*question.limits, _UNDER_2))
            continue
        step = None if time.monotonic() > until else _give_way(question, answer)
        if step is None:
            break
        question, change = step
        changes.append(change)
    trouble = answer if isinstance(answer, Trouble) else None
    return Settled(question, None, trouble, tuple(changes))


Step = tuple[Question, Change] | None


def _give_way(question: Question, trouble: Trouble) -> Step:
    ways: dict[str, Callable[[Question, Trouble], Step]] = {
        "unknown package": _unknown,
        "no wheel": _no_wheel,
        "no version": _no_version,
        "conflict": _conflict,
    }
    way = ways.get(trouble.kind)
    return way(question, trouble) if way else None


def _unknown(question: Question, trouble: Trouble) -> Step:
    wish = _wish(question, trouble.package)
    if wish is None:
        return _leave_out(question, Wish(trouble.package), "dropped", "the package index does not know it")
    return question.without(wish), Change("dropped", wish, "the package index does not know it")


def _no_wheel(question: Question, trouble: Trouble) -> Step:
    wish = _wish(question, trouble.package)
    late = _is_late(question, wish or Wish(trouble.package, trouble.specifier), strictly=True)
    if late and (wish is None or not wish.specifier):
        why = f"nothing of {question.before} and before has a wheel for Python {question.python.minor}"
        return _let_be_newer(question, wish or Wish(trouble.package), why, for_python=True)
    if wish is None:
        return _brought_without_wheel(question, trouble)
    if not wish.specifier or not has_wheel_somewhere(wish):
        if wish.guessed:
            return question.without(wish), Change(
                "dropped", wish, "a guess that is published as source alone"
            )
        return _leave_out(question, wish, "built", "it is published as source alone")
    why = f"it has no wheel for Python {question.python.minor} on this system"
    return _lift(question, wish), Change("lifted", wish, why, for_python=True)


def _brought_without_wheel(question: Question, trouble: Trouble) -> Step:
    """What no wish names, but one of them needs."""
    brought = Wish(trouble.package, trouble.specifier)
    if brought.name in question.left_out:
        return None
    if has_wheel_somewhere(brought):
        return _conflict(question, trouble)
    return _leave_out(question, brought, "built", "it is published as source alone")


def _let_be_newer(question: Question, wish: Wish, why: str, *, for_python: bool = False) -> Step:
    exempt = replace(question, exempt=question.exempt | {wish.name})
    return exempt, Change("late", wish, why, for_python=for_python)


def _no_version(question: Question, trouble: Trouble) -> Step:
    wish = _wish(question, trouble.package)
    if wish is not None and not wish.specifier and _is_late(question, wish):
        return _let_be_newer(question, wish, f"nothing of it was published by {question.before}")
    if wish is None or not wish.specifier:
        return _conflict(question, trouble)
    if wish.local:
        why = f"builds named +{wish.local} are not on the package index"
        return question.with_wish(wish, wish.without_local()), Change("lifted", wish, why)
    if _is_late(question, wish):
        return _let_be_newer(question, wish, f"it was released after {question.before}")
    why = "no such version is published: it was removed, or never was"
    return _lift(question, wish), Change("lifted", wish, why)


def _conflict(question: Question, trouble: Trouble) -> Step:
    """Pins that exclude each other: the one whose lifting is enough, torch itself last."""
    pinned = [wish for wish in question.wishes if wish.name in trouble.named and wish.specifier]
    guessed = [wish for wish in question.wishes if wish.name in trouble.named and wish.guessed]
    why = in_plain_words(trouble.text)
    if guessed:
        return question.without(guessed[0]), Change("dropped", guessed[0], why)
    pinned.sort(key=lambda wish: (wish.name == "torch", wish.name in FAMILY))
    helps = [wish for wish in pinned[:_TRIED] if _is_enough(question, wish, pinned, wish.without_pin())]
    chosen = next(iter(helps), next(iter(pinned), None))
    if chosen is None:
        return None
    within = chosen.within_major()
    near = (
        within if within.specifier and _is_enough(question, chosen, pinned, within) else chosen.without_pin()
    )
    return question.with_wish(chosen, near), Change("lifted", chosen, why, tuple(helps[1:]))


def _lift(question: Question, wish: Wish) -> Question:
    """Another version in the place of the pinned one: of the same major, where there is one."""
    within = wish.within_major()
    alone = replace(question, wishes=(within,), left_out=frozenset())
    is_near = bool(within.specifier) and isinstance(resolve(alone), Resolution)
    return question.with_wish(wish, within if is_near else wish.without_pin())


def _is_enough(question: Question, wish: Wish, pinned: list[Wish], instead: Wish) -> bool:
    answer = resolve(question.with_wish(wish, instead))
    if isinstance(answer, Resolution):
        return True
    # Another trouble, of packages that have no part in this one, comes next in any case.
    return answer.kind in ("unknown package", "no wheel", "no version") and all(
        answer.package != one.name for one in pinned
    )


def _is_late(question: Question, wish: Wish, *, strictly: bool = False) -> bool:
    """Whether the day alone keeps a wish from coming true; strictly: and this Python does not."""
    if question.before is None or wish.name in question.exempt:
        return False
    answer = resolve(replace(question, wishes=(wish,), before=None, limits=(), left_out=frozenset()))
    if isinstance(answer, Resolution):
        return True
    return bool(wish.specifier) and not strictly and answer.kind in ("no wheel", "conflict")


def _leave_out(question: Question, wish: Wish, kind: Literal["built", "dropped"], why: str) -> Step:
    """Neither asked for nor brought in by another package."""
    without = question.without(wish)
    return replace(without, left_out=question.left_out | {wish.name}), Change(kind, wish, why)


def _wish(question: Question, name: str) -> Wish | None:
    return next((wish for wish in question.wishes if wish.name == name), None)


def _breaks_numpy(answer: Resolution, question: Question) -> bool:
    torch, numpy = answer.versions.get("torch"), answer.versions.get("numpy")
    if torch is None or numpy is None or _UNDER_2 in question.limits:
        return False
    return Version(torch) < _NUMPY_2 and Version(numpy) >= Version("2")


def _explain(change: Change, taken: str) -> Fault:
    wish, places = change.wish, (change.wish.place,) if change.wish.place else ()
    text = wish.original or wish.requirement
    instead = f"The plan takes {wish.name} {taken}" if taken else f"The plan does without {wish.name}"
    if change.kind == "built":
        words = f"{text} needs a build step: {change.why}"
        cure = "It is not resolved here; the build runs its build step, which is foreign code, once agreed."
        return Fault("needs a build step", "warning", words, cure, places)
    if change.kind == "late":
        words = f"{text}: {change.why}"
        name = "no wheel for this Python" if change.for_python else "pin newer than the day"
        return Fault(name, "warning", words, f"{instead}, newer than the repository's day.", places)
    if change.kind == "dropped":
        words = f"{text} cannot be had: {change.why}"
        cure = f"{instead}; what imports it will fail."
        return Fault("no such package", "warning" if wish.guessed else "error", words, cure, places)
    others = " or ".join(one.requirement for one in change.others)
    cure = f"{instead} in its place." + (f" Lifting {others} would do as well." if others else "")
    if change.for_python:
        name = "no wheel for this Python"
    else:
        name = "removed release" if "removed" in change.why else "conflict"
    return Fault(name, "error", f"{text} cannot hold: {change.why}", cure, places)
