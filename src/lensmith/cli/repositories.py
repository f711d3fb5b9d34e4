"""What was found in a repository, planned for it and said of it, as lines for a person."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lensmith.reproduction.output import printable
from lensmith.reproduction.record import FACTS, PAGE, Circumstances
from lensmith.reproduction.verdict import Verdict

if TYPE_CHECKING:
    from lensmith.provisioning.plan import Plan
    from lensmith.repositories.reading import Fault, Reading

_LABEL, _COLUMNS = 11, 100
_MOST = 8
_ORDER = ("error", "warning", "info")
_PLANNED = (
    "cudatoolkit",
    "import name",
    "no wheel for new Pythons",
    "numpy 2",
    "sklearn",
    "undeclared",
    "unpinned torch",
)
"""Faults of a reading that every plan answers: what it takes instead, it says itself."""


def reading_lines(reading: Reading, repository: str) -> Iterator[str]:
    """What a repository asks for and claims."""
    from lensmith.reproduction.commands import rank_commands
    from lensmith.reproduction.running import shown_command

    when = f", {reading.commit[:12]}" if reading.commit else ""
    when += f" of {reading.date}" if reading.date else ""
    yield from _row("repository", f"{reading.url or repository}{when}; {reading.files:,} files read")
    asked = [f"Python {reading.python}"] if reading.python else []
    asked += [f"CUDA {reading.cuda}"] if reading.cuda else []
    if asked:
        yield from _row("asks for", ", ".join(asked))
    asked_at: dict[str, list[str]] = {}
    for one in reading.wanted:
        asked_at.setdefault(one.original or one.requirement, []).append(one.place)
    yield from _row("packages", _some([f"{text} ({', '.join(at)})" for text, at in asked_at.items()]))
    if reading.undeclared:
        yield from _row("undeclared", _some(list(reading.undeclared)))
    ranked = rank_commands(reading.commands, reading.root)
    commands = [shown_command(one) for one in ranked]
    yield from _list("commands", commands or ["none is found; --command says it"])
    claims = [
        f"{one.metric} {one.value:g} ({one.place}): {textwrap.shorten(one.text, 80, placeholder=' ...')}"
        for one in reading.claims
    ]
    yield from _list("claims", claims)


def left_lines(faults: Sequence[Fault], plan: Plan, more: str) -> Iterator[str]:
    """The faults of a reading that a plan leaves to a person; the others are counted, and `more` tells them."""
    left = [
        one
        for one in faults
        if one.severity != "info" and one.name not in _PLANNED and not (one.unless and plan.has(one.unless))
    ]
    yield from fault_lines(left)
    counts = Counter(one.name for one in faults if one not in left)
    if counts:
        names = ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counts.items())
        yield from _row("noted", f"{names}: for information, or answered by the plan; all in words:")
        yield f"{'':<{_LABEL}}{printable(more)}"


def plan_lines(plan: Plan) -> Iterator[str]:
    """What would be installed, what gives way, and the commands."""
    yield ""
    before = f", packages as of {plan.before}" if plan.before else ""
    on = f"CUDA {plan.build.cuda}" if plan.build and plan.build.cuda else "the CPU"
    torch = f"; torch {plan.build.version} for {on}" if plan.build else ""
    yield from _row("plan", f"Python {plan.python.version}{before}{torch}")
    yield from _row("install", _some([one.split(" --hash")[0] for one in plan.requirements]))
    if plan.to_build:
        yield from _row("to build", f"{', '.join(plan.to_build)}: build steps run, which are foreign code")
    yield from fault_lines(plan.faults)
    for one in plan.alternatives:
        yield from _row("or", f"{one.words} ({one.cost})")


def built_lines(python: Path) -> Iterator[str]:
    """Where an environment lies, how to use it by hand, and what makes it elsewhere."""
    place = python.parent.parent
    yield from _row("built", str(place))
    yield from _row("use it", f"{python}, or: source {python.with_name('activate')}")
    yield from _row("elsewhere", f"{place.parent / 'README.md'} says how a colleague makes it")


def fault_lines(faults: Sequence[Fault]) -> Iterator[str]:
    """Faults, the gravest first, each with its places and what to do."""
    for fault in sorted(faults, key=lambda one: _ORDER.index(one.severity)):
        yield from _row(fault.severity, f"{fault.name}: {fault.detail}")
        if fault.places:
            yield from _row("", f"at {_some(list(fault.places))}")
        if fault.cure:
            yield from _row("", f"-> {fault.cure}")


def verdict_lines(verdict: Verdict, around: Circumstances, out: Path) -> Iterator[str]:
    """The verdict, its reason, what it cost, where it is written down."""
    yield ""
    yield from _row("verdict", f"{verdict.word.upper()}: {verdict.reason}")
    passed_over = {"claims": around.claims, "figures": around.figures, "commands": around.commands}
    for kind, words in passed_over.items():
        if words:
            yield from _row("", f"other {kind}: {_some(list(words), 3)}")
    yield from _list("limits", list(around.conditions))
    if not verdict.holds and around.tail.strip():
        yield from _row("last words", around.tail.strip().splitlines()[-1])
    yield from _row("written", f"{out / PAGE} and {FACTS}; its output is in output.log")
    yield f"{'again':<{_LABEL}}{printable(around.again)}"  # in one line, to be pasted


def _row(label: str, words: str) -> Iterator[str]:
    width = _COLUMNS - _LABEL
    rows = textwrap.wrap(printable(words), width, break_long_words=False, break_on_hyphens=False) or [""]
    yield f"{label:<{_LABEL}}{rows[0]}".rstrip()
    yield from (f"{'':<{_LABEL}}{row}" for row in rows[1:])


def _list(label: str, rows: list[str]) -> Iterator[str]:
    for row in rows[:_MOST]:
        yield from _row(label, row)
        label = ""
    if len(rows) > _MOST:
        yield from _row("", f"and {len(rows) - _MOST} more")


def _some(words: list[str], most: int = _MOST) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more if words else "none are named"
