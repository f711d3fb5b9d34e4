"""`VERDICT.md` and `verdict.json`: what was run, where, under what limits, and what became of the claim."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lensmith.reproduction.output import printable
from lensmith.reproduction.verdict import Verdict, shown_time, shown_value
from lensmith.runs.files import write_bytes, write_json

PAGE, FACTS = "VERDICT.md", "verdict.json"


@dataclass(frozen=True)
class Circumstances:
    """What belongs to a verdict. subject: what was repeated, with its commit and date; again: the command line that
    does it once more; environment, differs, conditions: a sentence each; claims, figures, commands: those that were
    passed over; tail: the last words of the output."""

    subject: str
    command: str
    again: str
    environment: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    seconds: float | None = None
    claims: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    tail: str = ""


def write_verdict(folder: Path, verdict: Verdict, around: Circumstances) -> dict[str, Any]:
    """Write both files into `folder`; returns what stands in `verdict.json`."""
    facts = {
        "verdict": verdict.word,
        **{name: value for name, value in verdict.as_dict().items() if name != "word"},
        **{name: value for name, value in asdict(around).items() if name != "tail"},
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "lensmith": _version(),
    }
    write_json(folder / FACTS, facts)
    rows = [printable(row) for row in _page(verdict, around)]
    write_bytes(folder / PAGE, ("\n".join(rows) + "\n").encode("utf-8", "backslashreplace"))
    return facts


def _page(verdict: Verdict, around: Circumstances) -> Iterator[str]:
    yield from (
        f"# {verdict.word.capitalize()}",
        "",
        f"{verdict.reason[:1].upper()}{verdict.reason[1:]}.",
        "",
    )
    yield from _table(verdict, around)
    yield from ("", "Once more:", "", f"    {around.again}", "")
    for title, words in (
        ("Environment", around.environment),
        ("What differs from what the repository asks for", around.differs),
        ("Limits", around.conditions),
        ("Other claims", around.claims),
        ("Other figures that it printed", around.figures),
        ("Other commands", around.commands),
    ):
        if words:
            yield from (f"## {title}", "", *(f"- {one}" for one in words), "")
    if around.tail and not verdict.holds:
        yield from ("## Its last words", "", *(f"    {row}" for row in around.tail.splitlines()[-15:]), "")
    yield "One run was measured. An interval says how far other pictures of the kind might move the figure; it does"
    yield "not say what another seed would have given."


def _table(verdict: Verdict, around: Circumstances) -> Iterator[str]:
    rows = [("of", around.subject), ("command", f"`{around.command}`")]
    claimed, figure = verdict.claimed, verdict.figure
    if claimed:
        value = shown_value(claimed.value, claimed.metric)
        rows.append(("claimed", f"{claimed.metric} {value}, {claimed.place}: {claimed.text.strip()[:200]}"))
    if figure:
        rows.append(
            ("measured", f"{figure.metric} {shown_value(figure.value, figure.metric)}: {figure.text}")
        )
    if verdict.count:
        rows.append(("pictures", f"{verdict.count:,} ({verdict.count_from})"))
    if verdict.low is not None and verdict.high is not None:
        rows.append(("95 % interval", f"{verdict.low:.2%} to {verdict.high:.2%}"))
    if around.seconds is not None:
        rows.append(("took", shown_time(around.seconds)))
    yield from ("| | |", "| --- | --- |")
    for name, words in rows:
        plain = " ".join(words.split()).replace("|", "\\|")
        yield f"| {name} | {plain} |"


def _version() -> str:
    with contextlib.suppress(PackageNotFoundError):
        return version("lensmith")
    return "unknown"
