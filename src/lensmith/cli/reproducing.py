"""The four steps of `lensmith reproduce` on somebody's repository, each of which can be the last."""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date as Date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from lensmith.cli import show
from lensmith.cli.progress import follow, in_events
from lensmith.cli.repositories import (
    built_lines,
    fault_lines,
    left_lines,
    plan_lines,
    reading_lines,
    verdict_lines,
)
from lensmith.cli.wish import PLAN, READ, RUN, Wish
from lensmith.errors import DataError, MachineError

if TYPE_CHECKING:
    from lensmith.provisioning.building import Built
    from lensmith.provisioning.plan import Plan
    from lensmith.repositories.reading import Fault, Reading
    from lensmith.reproduction.record import Circumstances
    from lensmith.reproduction.running import Intent


def reproduce_repository(wish: Wish) -> int:
    """Read, plan, build, run, as far as asked; returns the exit code."""
    from lensmith.repositories.repository import read_repository

    with _checked_out(wish) as root:
        reading = read_repository(root)
        told: dict[str, Any] = {"repository": wish.repository, "reading": reading.as_dict()}
        code = _go_on(wish, reading, told)
    if wish.as_json:
        show.data(told)
    return code


def _go_on(wish: Wish, reading: Reading, told: dict[str, Any]) -> int:
    _show(wish, reading_lines(reading, wish.repository))
    if wish.to == READ:
        _show(wish, fault_lines(reading.faults))
        _show(wish, ["", f"next       {wish.again('plan')}"])
        return _stops(reading.faults)
    plan = _plan(wish, reading)
    told["plan"] = plan.as_dict()
    _show(wish, left_lines(reading.faults, plan, wish.again("read")))
    _show(wish, plan_lines(plan))
    if wish.to == PLAN:
        _show(wish, ["", f"next       {wish.again('build')}"])
        return _stops(plan.faults)
    return _build_and_run(wish, reading, plan, told)


def _plan(wish: Wish, reading: Reading) -> Plan:
    from lensmith.machine.facts import read_machine
    from lensmith.provisioning.proposing import plan_reproduction

    return plan_reproduction(reading, read_machine(), python=wish.python, before=wish.date)


def _build_and_run(wish: Wish, reading: Reading, plan: Plan, told: dict[str, Any]) -> int:
    from lensmith.provisioning.building import build_environment
    from lensmith.reproduction.record import write_verdict
    from lensmith.reproduction.running import intend, new_place
    from lensmith.reproduction.verdict import Verdict

    intent = intend(reading, wish.command, wish.claim) if wish.to == RUN else None
    doubts = _doubts(plan)
    if doubts and not may_go_on(wish, doubts[0], doubts[1:]):
        return 1
    if intent and not may_go_on(wish, *_warning(wish, intent)):
        return 1
    out = new_place(_name(wish.repository), wish.out, reading.root)
    told["out"] = str(out)
    try:
        built = follow(in_events("build", build_environment(plan, out, agreed=True)))
    except MachineError as error:
        if intent:
            verdict = Verdict(
                "could not run", f"its environment cannot be built: {error.message}", intent.claimed
            )
            write_verdict(out, verdict, _circumstances(wish, reading, plan, intent))
        raise
    told["built"] = {"python": str(built.python), "checks": [check.as_dict() for check in built.checks]}
    _show(wish, ["", *fault_lines(built.checks)])
    if intent:
        return _run(wish, reading, plan, built, intent, out, told)
    _show(wish, [*built_lines(built.python), f"next       {wish.again('run', **{'--out': str(out)})}"])
    return 0 if built.is_sound else 1


def _run(
    wish: Wish, reading: Reading, plan: Plan, built: Built, intent: Intent, out: Path, told: dict[str, Any]
) -> int:
    from lensmith.reproduction.record import write_verdict
    from lensmith.reproduction.running import other_figures, run_intent

    ran, verdict = follow(run_intent(intent, reading, built.python, out, wish.limits))
    known = _circumstances(wish, reading, plan, intent)
    around = replace(
        known,
        differs=known.differs + tuple(one.detail for one in built.checks if one.severity != "info"),
        conditions=(*ran.conditions, f"output {ran.output:,} bytes, in output.log"),
        seconds=ran.ended.seconds,
        claims=intent.other_claims(verdict.claimed),
        figures=other_figures(ran, verdict),
        tail=ran.ended.tail,
    )
    told["verdict"] = write_verdict(out, verdict, around)
    _show(wish, verdict_lines(verdict, around, out))
    return 0 if verdict.holds else 1


def _circumstances(wish: Wish, reading: Reading, plan: Plan, intent: Intent) -> Circumstances:
    """What is known before anything runs."""
    from lensmith.reproduction.record import Circumstances

    changes = {"--command": intent.command, "--out": ""}
    if plan.before is None:  # else another day would take other packages
        changes["--date"] = Date.today().isoformat()
    return Circumstances(
        subject=_subject(reading, wish.repository),
        command=intent.command,
        again=wish.again("run", **changes),
        environment=environment_in_words(plan),
        differs=tuple(fault.detail for fault in plan.faults if fault.severity != "info"),
        claims=intent.other_claims(intent.claimed),
        commands=intent.passed_over,
    )


def _doubts(plan: Plan) -> list[str]:
    """Why a yes is asked for before anything is built."""
    rows = [
        f"The plan has an error, {one.name}: {one.detail}" for one in plan.faults if one.severity == "error"
    ]
    if plan.runs_foreign_code:
        rows.append("Building runs build steps of the repository or its packages, which is foreign code.")
    return rows


def may_go_on(wish: Wish, words: str, more: list[str]) -> bool:
    """Say what will happen, and ask for a yes."""
    for row in (words, *more):
        show.say(row)
    if wish.yes:
        return True
    if not sys.stdin.isatty():
        show.say("Nothing was run: there is no terminal to ask on. Add --yes to run it.")
        return False
    try:
        return typer.confirm("Run it?", err=True)
    except typer.Abort:
        return False


def _warning(wish: Wish, intent: Intent) -> tuple[str, list[str]]:
    from lensmith.reproduction.running import shown_claim
    from lensmith.reproduction.verdict import shown_time

    memory = f"{wish.limits.memory / 2**30:.1f} GiB of memory" if wish.limits.memory else "any memory"
    network = "an open network" if wish.limits.network else "no network, if the system can shut it off"
    rows = [
        f"  {intent.command}    ({intent.place})",
        f"It gets {shown_time(wish.limits.seconds)}, {memory} and {network}.",
        "It works in a copy of the repository and sees none of your variables and tokens; but it has your rights,",
        "and can read and change the files that you can.",
    ]
    if intent.claimed:
        rows.append(f"It is held against {shown_claim(intent.claimed)}.")
    return "This runs foreign code:", rows


def environment_in_words(plan: Plan) -> tuple[str, ...]:
    """What was built, a line each."""
    words = [f"Python {plan.python.version}"]
    if plan.before:
        words.append(f"packages as of {plan.before}")
    words += [requirement.split(" --hash")[0] for requirement in plan.requirements]
    return tuple(words)


@contextlib.contextmanager
def _checked_out(wish: Wish) -> Iterator[Path]:
    """The repository as a folder: the one given, or a clone that goes away again."""
    from lensmith.repositories.fetching import fetch_repository, is_address

    path = Path(wish.repository)
    if path.is_dir():
        yield path
        return
    if path.exists() or not is_address(wish.repository):
        why = "is no folder" if path.exists() else "there is no such folder"
        raise DataError(f"{wish.repository}: {why}", hint="Give a folder, a git URL, or a run of lensmith.")
    with tempfile.TemporaryDirectory(prefix="lensmith-") as folder:
        yield fetch_repository(wish.repository, Path(folder) / _name(wish.repository))


def _name(repository: str) -> str:
    path = urlsplit(repository).path if "://" in repository else Path(repository).absolute().name
    name = Path(path.rstrip("/")).name.removesuffix(".git")
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "repository"


def _subject(reading: Reading, repository: str) -> str:
    words = re.sub(r"(?<=://)[^/@]*@", "", reading.url or repository)
    if reading.commit:
        words += f" at {reading.commit[:12]}"
    return f"{words} of {reading.date}" if reading.date else words


def _stops(faults: tuple[Fault, ...]) -> int:
    return int(any(fault.severity == "error" for fault in faults))


def _show(wish: Wish, rows: list[str] | Iterator[str]) -> None:
    if not wish.as_json:
        for row in rows:
            show.line(row)
