"""Machines of other people, as they were written down: raw facts in, verdict out.

What is expected of the doctor stands in each file, written from the thread that `source` names.
"""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from lensmith.diagnosis.doctor import Finding, diagnose
from lensmith.errors import UsageError
from lensmith.machine.capture import Capture, parse_capture
from lensmith.machine.facts import read_machine

CAPTURES = Path(__file__).parent / "captures"
FILES = sorted(CAPTURES.glob("*.txt"))


def findings(capture: Capture) -> list[Finding]:
    machine = read_machine(capture.source)
    assert machine.unread == ()
    found = diagnose(machine)
    if capture.message:
        messages = pytest.importorskip("lensmith.diagnosis.messages")
        found += messages.explain_message(capture.message, machine)
    return found


def told(found: list[Finding]) -> str:
    """All that the doctor says of what is not well."""
    unwell = [finding.as_dict() for finding in found if not finding.ok]
    words = [(one["name"], one["detail"], one["cure"], *one["commands"]) for one in unwell]
    return "\n".join(line for lines in words for line in lines).lower()


def groups(header: str) -> list[list[str]]:
    """`a | b ; c` -> [[a, b], [c]]."""
    return [[word.strip().lower() for word in group.split("|")] for group in header.split(";")]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_verdict_on_a_capture(file: Path) -> None:
    capture = parse_capture(file.read_text(encoding="utf-8"))
    headers = capture.headers
    assert ("expect" in headers) != (headers.get("healthy") == "yes"), "a capture says what is expected"
    found = findings(capture)
    if "expect" not in headers:
        assert [finding for finding in found if not finding.ok] == []
        return
    words = told(found)
    for group in groups(headers["expect"]):
        assert any(word in words for word in group), f"none of {group} in\n{words}"
    for word in (word for group in groups(headers.get("never", "")) for word in group if word):
        assert word not in words


def test_damaged_captures_are_read_as_far_as_they_go() -> None:
    """Lines lost, mixed up, cut and doubled: there is a verdict, or the capture is refused."""
    draw = random.Random(0)
    texts = [file.read_text(encoding="utf-8").splitlines() for file in FILES]
    changes = (
        lambda line: "",
        lambda line: draw.choice(draw.choice(texts)),
        lambda line: line[: draw.randint(0, len(line))],
        lambda line: line * 3,
        lambda line: line.replace(".", draw.choice("|:=, -")),
    )
    for _ in range(150):
        lines = list(draw.choice(texts))
        for place in draw.sample(range(len(lines)), 8):
            lines[place] = draw.choice(changes)(lines[place])
        with contextlib.suppress(UsageError):
            machine = read_machine(parse_capture("\n".join(lines)).source)
            assert machine.unread == ()
            diagnose(machine)


def test_there_are_captures_of_both_kinds() -> None:
    headers = [parse_capture(file.read_text(encoding="utf-8")).headers for file in FILES]
    assert sum("expect" in one for one in headers) >= 60
    assert sum(one.get("healthy") == "yes" for one in headers) >= 10
