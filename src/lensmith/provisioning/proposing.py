"""From a reading to a plan: Pythons are tried in turn until every wish holds, or the one that keeps most is taken."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass, replace
from datetime import date

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from lensmith.machine.facts import Machine
from lensmith.machine.uv import find_uv
from lensmith.provisioning.interpreters import Interpreter, find_interpreters, released_day, settled_day, suit
from lensmith.provisioning.pairing import Pairing, default_index, pair
from lensmith.provisioning.plan import Alternative, Plan
from lensmith.provisioning.resolving import Question, Resolution, Trouble, in_plain_words, resolve
from lensmith.provisioning.settling import Settled, settle
from lensmith.provisioning.wishes import FAMILY, Wishes, sort_wishes
from lensmith.repositories.reading import Fault, Reading

_LIMIT = 150.0
"""Seconds for all resolutions of a plan; another Python is tried only within them."""
_OWN = re.compile(
    r"\bpip3? install (?:\S+\s+)*\.(?:\[[^\]]*\])?(?:\s|$)|\bsetup\.py\s+(?:install|develop|build)"
)


@dataclass(frozen=True)
class _Trial:
    """One Python, the torch that goes with it, and what came of resolving."""

    python: Interpreter
    pairing: Pairing
    settled: Settled

    @property
    def rank(self) -> tuple[bool, bool, int, bool]:
        """What is better is lower."""
        settled = self.settled
        missing = settled.resolution is None
        return missing, not self.pairing.holds, settled.lifted, settled.asks_for_another_python

    @property
    def is_newer(self) -> bool:
        """Whether the Python, and not the repository, decides how old its packages may be."""
        return self.pairing.day is not None and self.pairing.day == settled_day(self.python.minor)

    @property
    def is_whole(self) -> bool:
        """Whether another Python could not do better."""
        settled = self.settled
        is_resolved = settled.resolution is not None and not settled.asks_for_another_python
        return is_resolved and not self.pairing.another_python


def plan_reproduction(
    reading: Reading,
    machine: Machine,
    *,
    python: str | None = None,
    before: date | None = None,
) -> Plan:
    """Plan an environment for a repository, as of `before` (else its commit's day), without installing or running any
    of it. python: the version to take.

    Without uv, or where the package index does not answer, the plan says so and holds the requirements as asked for.
    """
    wishes = sort_wishes(reading)
    day = before or reading.date
    pythons, faults = _pythons(reading, python, day or date.today())
    faults = [*wishes.faults, *faults, *_own_package(reading)]
    if find_uv() is None:
        words = "uv is not installed, so the versions are not resolved"
        faults.append(Fault("uv", "warning", words, "pip install uv"))
        pairing = pair(wishes, machine, pythons[0], day)
        return _plan(reading, machine, wishes, _Trial(pythons[0], pairing, _unasked(pairing)), faults)
    until = time.monotonic() + _LIMIT
    trials = _try(wishes, machine, pythons, day, until)
    best = min(trials, key=lambda trial: trial.rank)
    faults += [*best.pairing.faults, *best.settled.faults(), *_held_back(best), *_about_python(best, pythons)]
    plan = _plan(reading, machine, wishes, best, [*faults, *_about_versions(best)])
    alternatives = [*best.pairing.alternatives, *_other_pythons(trials, best)]
    if python is not None and not best.is_whole:
        others, _ = _pythons(reading, None, day or date.today())
        wider = _try(
            wishes, machine, [one for one in others if one.minor != best.python.minor][:3], day, until
        )
        alternatives += _other_pythons(wider, best)
    return replace(plan, alternatives=tuple(alternatives))


def _pythons(reading: Reading, asked: str | None, day: date) -> tuple[list[Interpreter], list[Fault]]:
    installed = find_interpreters()
    wanted, faults = reading.python, []
    try:
        SpecifierSet(wanted)
    except InvalidSpecifier:
        faults.append(
            Fault("python", "warning", f"asks for Python {wanted!r}, which is no version", "It is left out.")
        )
        wanted = ""
    found = suit(installed, wanted=wanted, asked=asked, day=day)
    if not found:
        words = f"asks for Python {wanted}, which is neither here nor fetched by uv"
        cure = "The plan takes the nearest to the repository's day."
        faults.append(Fault("python", "error", words, cure))
        found = suit(installed, wanted="", asked=None, day=day)
    return found, faults


def _try(
    wishes: Wishes, machine: Machine, pythons: list[Interpreter], day: date | None, until: float
) -> list[_Trial]:
    """Each Python in turn, until one keeps every wish, or time is over."""
    trials: list[_Trial] = []
    for python in pythons:
        for when in _days_for(python, day):
            trials.append(_try_one(wishes, machine, python, when, until))
            trouble = trials[-1].settled.trouble
            unanswered = trouble is not None and trouble.kind in ("network", "time")
            if trials[-1].is_whole or unanswered or time.monotonic() > until:
                return trials
    return trials


def _try_one(wishes: Wishes, machine: Machine, python: Interpreter, day: date | None, until: float) -> _Trial:
    pairing = pair(wishes, machine, python, day)
    settled = settle(_question(wishes, pairing, python), until=until)
    instead = default_index(pairing, machine, python)
    if settled.trouble and settled.trouble.kind == "network" and instead is not None:
        pairing = instead
        settled = settle(_question(wishes, pairing, python), until=until)
    return _Trial(python, pairing, settled)


def _days_for(python: Interpreter, day: date | None) -> list[date | None]:
    """The repository's day, if this Python was there; and the day from which most packages had wheels for it."""
    released, settled = released_day(python.minor), settled_day(python.minor)
    if day is None or released is None or settled is None or settled <= day:
        return [day]
    return [*([day] if released <= day else []), min(settled, date.today())]


def _question(wishes: Wishes, pairing: Pairing, python: Interpreter) -> Question:
    # setuptools 82 took away pkg_resources, which older packages import.
    return Question(
        pairing.wishes,
        python,
        pairing.day,
        limits=("setuptools<82",),
        torch_index=pairing.index,
    )


def _unasked(pairing: Pairing) -> Settled:
    return Settled(Question(pairing.wishes, Interpreter("")), None, None, ())


def _plan(reading: Reading, machine: Machine, wishes: Wishes, trial: _Trial, faults: list[Fault]) -> Plan:
    settled, pairing = trial.settled, trial.pairing
    asked = tuple(wish.requirement for wish in settled.question.wishes)
    gpus = machine.nvidia.gpus if pairing.build is not None and pairing.build.cuda else []
    plan = Plan(
        root=reading.root,
        python=trial.python,
        build=pairing.build,
        requirements=settled.resolution.lines if settled.resolution else asked,
        to_build=(*settled.to_build, *wishes.foreign),
        own=bool(_own_package(reading)),
        before=pairing.day,
        index=pairing.index,
        distributions=tuple(sorted(reading.imports)),
        device=" and ".join(dict.fromkeys(gpu.name for gpu in gpus)),
        resolved=settled.resolution is not None,
        faults=tuple(faults),
    )
    return replace(plan, commands=_commands(plan))


def _commands(plan: Plan) -> tuple[str, ...]:
    """The same by hand, from the files that the build writes; and the build."""
    place = shlex.quote(str(plan.root))
    lines = [f"lensmith reproduce {place} --to build"]
    if plan.resolved:
        index = f" --index {plan.index}" if plan.index else ""
        lines += [
            f"uv venv --python {plan.python.version} env",
            f"uv pip install --python env --require-hashes{index} -r requirements.lock",
        ]
        lines += [f"uv pip install --python env {shlex.quote(one)}" for one in plan.to_build]
        lines += [f"uv pip install --python env {place}"] if plan.own else []
    return tuple(lines)


def _own_package(reading: Reading) -> list[Fault]:
    """Its commands install the repository itself."""
    found = next(((text, place) for text, place in reading.commands if _OWN.search(text)), None)
    if found is None:
        return []
    text, place = found
    words = f"its instructions install the repository itself ({text.strip()[:80]})"
    what = "compiles its extensions and " if reading.extensions else ""
    cure = (
        f"The build does so from a copy, once agreed: that {what}runs its build step, which is foreign code."
    )
    places = (place, *reading.extensions[:4])
    return [Fault("needs a build step", "warning", words, cure, places)]


def _about_python(best: _Trial, pythons: list[Interpreter]) -> list[Fault]:
    faults = []
    if best.python != pythons[0]:
        words = f"Python {pythons[0].minor} is nearest to the repository's day, and not every pin has a wheel for it"
        faults.append(Fault("python", "info", words, f"The plan takes Python {best.python.minor}."))
    if best.is_newer:
        words = f"Python {best.python.minor} is newer than the repository: few packages of its day have wheels for it"
        faults.append(
            Fault(
                "python", "warning", words, f"Versions that are not pinned are those of {best.pairing.day}."
            )
        )
    if not best.python.is_here:
        words = f"Python {best.python.version} is not on this machine"
        faults.append(
            Fault("python", "info", words, "The build lets uv fetch it (about 30 MB), into uv's own folder.")
        )
    return faults


def _about_versions(trial: _Trial) -> list[Fault]:
    """Releases that were taken back, or why there are no versions at all."""
    resolution, trouble = trial.settled.resolution, trial.settled.trouble
    if resolution is not None:
        return [
            Fault(
                "yanked release",
                "warning",
                f"{what} was taken back by its authors",
                "It is installed as pinned.",
            )
            for what in resolution.yanked
        ]
    return [_unanswered(trouble)] if trouble is not None else []


def _held_back(trial: _Trial) -> list[Fault]:
    """Packages without a pin that are taken much older than they were on that day, since the newer did not go."""
    settled = trial.settled
    free = tuple(wish for wish in settled.question.wishes if not wish.specifier and wish.name not in FAMILY)
    if settled.resolution is None or not free:
        return []
    newest = resolve(replace(settled.question, wishes=free), alone=True)
    if not isinstance(newest, Resolution):
        return []
    taken, faults = settled.resolution.versions, []
    for name, version in newest.versions.items():
        if Version(taken.get(name, version)).release[:1] < Version(version).release[:1]:
            words = f"{name} {taken[name]} is taken, and {version} was the newest of that day"
            cure = f"It needs what no wheel brings, or what another excludes: pin {name}=={version} to see."
            faults.append(Fault("held back", "warning", words, cure))
    return faults


def _unanswered(trouble: Trouble) -> Fault:
    if trouble.kind == "network":
        words = f"the package index did not answer, so the versions are not resolved: {trouble.text[:300]}"
        return Fault(
            "network", "warning", words, "Try again with a network, or set UV_DEFAULT_INDEX to a mirror."
        )
    if trouble.kind == "time":
        return Fault("time", "warning", f"the versions are not resolved: {trouble.text}", "Try again.")
    words = f"the requirements do not resolve: {in_plain_words(trouble.text)}"
    return Fault(
        "conflict", "error", words, "Lift the pins that it names, or give an earlier or later --date."
    )


def _other_pythons(trials: list[_Trial], best: _Trial) -> list[Alternative]:
    """What the Pythons that were tried beside the best would cost."""
    found = []
    for trial in trials:
        if trial.python == best.python or trial.settled.resolution is None or not trial.pairing.holds:
            continue
        broken = [change.wish.requirement for change in trial.settled.changes if change.kind == "lifted"]
        cost = f"{', '.join(broken)} cannot hold" if broken else "every pin holds"
        here = "" if trial.python.is_here else ", which uv would fetch"
        found.append(Alternative(f"Python {trial.python.minor}{here}", cost))
    return found
