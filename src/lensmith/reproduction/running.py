"""A repository's command run in an environment that was built for it, and the claim held against what it printed."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from lensmith.errors import UsageError
from lensmith.repositories.metrics import known_test_set
from lensmith.repositories.reading import Reading
from lensmith.reproduction.claims import Claimed, choose_claims, claimed_in
from lensmith.reproduction.commands import Choice, rank_commands
from lensmith.reproduction.copying import copy_repository, free_name
from lensmith.reproduction.record import PAGE
from lensmith.reproduction.sandbox import Limits, Place, Ran, bare_environment, run_command
from lensmith.reproduction.verdict import Verdict, judge, shown_figure, shown_value
from lensmith.types import Event


@dataclass(frozen=True)
class Intent:
    """What will be run, and what it will be held against: the first of `claims` of which it prints a figure. found:
    all that the README claims; passed_over: commands that will not be run, in words."""

    command: str
    place: str
    claims: tuple[Claimed, ...]
    found: tuple[Claimed, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def claimed(self) -> Claimed | None:
        """The first choice."""
        return self.claims[0] if self.claims else None

    def other_claims(self, taken: Claimed | None) -> tuple[str, ...]:
        """What else the README claims, in words."""
        return tuple(shown_claim(one) for one in self.found if one != taken)


def intend(reading: Reading, command: str | None, claim: str | None) -> Intent:
    """Choose command and claim. Raises `UsageError` where no command is fit to be run, and none was given."""
    ranked = rank_commands(reading.commands, reading.root)
    choice = Choice(command, "--command") if command else _first(ranked)
    read = [one for one in (claimed_in(each) for each in reading.claims) if one]
    found = tuple(_with_count(one, choice.command) for one in read)
    claims = choose_claims(found, claim, choice.command)
    others = tuple(shown_command(one) for one in ranked if one.command != choice.command)
    return Intent(choice.command, choice.place, tuple(claims), found, others)


def run_intent(
    intent: Intent, reading: Reading, python: Path, out: Path, limits: Limits
) -> Generator[Event, None, tuple[Ran, Verdict]]:
    """Run it in `out/work`, a copy of the repository; what it prints goes to `out/output.log`."""
    work = free_name(out / "work")
    left_out = copy_repository(reading.root, work)
    for words in left_out:
        yield Event("copy", f"left out: {words}")
    variables = bare_environment(python.parent, out / "home", os.environ, network=limits.network)
    place = Place(work, variables, out / "output.log")
    ran = yield from run_command(intent.command, place, limits)
    printed = {one.metric for one in ran.figures if one.split != "train"}
    claimed = next((one for one in intent.claims if one.metric in printed), intent.claimed)
    return ran, judge(claimed, ran.figures, ran.ended)


def other_figures(ran: Ran, verdict: Verdict) -> tuple[str, ...]:
    """Figures that were printed and not compared, with their lines."""
    return tuple(f"{shown_figure(one)}: {one.text}" for one in ran.figures if one != verdict.figure)


def shown_command(choice: Choice) -> str:
    """A command with where it stands and what is doubtful about it."""
    doubts = f"; {', '.join(choice.doubts)}" if choice.doubts else ""
    return f"{choice.command} ({choice.place}{doubts})"


def shown_claim(claimed: Claimed) -> str:
    """A claim with where it stands."""
    value = shown_value(claimed.value, claimed.metric)
    return f"{claimed.metric} {value} ({claimed.place}: {claimed.text.strip()[:120]})"


def new_place(name: str, out: Path | None, root: Path) -> Path:
    """The folder of a reproduction: `out`, or the next free `./reproductions/NAME-001`.

    Raises `UsageError` for one inside of the repository, where nothing is written.
    """
    place = out or next(
        folder
        for number in range(1, 10**6)
        if not (folder := Path("reproductions") / f"{name}-{number:03d}").exists()
    )
    if place.resolve().is_relative_to(root.resolve()):
        raise UsageError(
            f"{place} lies in the repository, where nothing is written", hint="Give another with --out."
        )
    if place.exists() and (not place.is_dir() or _is_of_others(place)):
        raise UsageError(f"{place} already holds something", hint="Give an empty or new folder with --out.")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(
            f"{place}: cannot be made ({why})", hint="Give another folder with --out."
        ) from error
    if not os.access(place, os.W_OK):
        raise UsageError(f"{place}: cannot be written to", hint="Give another folder with --out.")
    return place


def _is_of_others(place: Path) -> bool:
    """Whether a folder holds something, and no reproduction."""
    names = {path.name for path in place.iterdir()}
    return bool(names) and not names & {"env", "env.part", "output.log", PAGE}


def _first(ranked: list[Choice]) -> Choice:
    fit = [
        one for one in ranked if not any("filled in" in doubt or "not in" in doubt for doubt in one.doubts)
    ]
    if fit:
        return fit[0]
    hint = "Say what to run: --command 'python train.py'."
    if ranked:
        raise UsageError(
            f"no command of the README can be run as it stands: {shown_command(ranked[0])}", hint=hint
        )
    raise UsageError("the README names no command that starts a program", hint=hint)


def _with_count(claimed: Claimed, command: str) -> Claimed:
    """With the size of the test set that the command names."""
    named = known_test_set(command)
    if named is None or claimed.count or claimed.scale != "pictures":
        return claimed
    return replace(claimed, count=named[1], count_from=f"the size of {named[0]}'s test set")
