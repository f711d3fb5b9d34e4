"""Real reports from issue threads: the doctor's answer holds the cure that worked there.

Each file of `reports/` holds what was pasted in the thread. What is expected was written from the thread, before
anybody looked whether the table answers it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lensmith.diagnosis.doctor import diagnose
from lensmith.diagnosis.messages import explain_message
from lensmith.diagnosis.quoting import paste
from lensmith.machine.capture import Capture, parse_capture
from lensmith.machine.facts import read_machine

REPORTS = sorted((Path(__file__).parent / "reports").glob("*.txt"))


def captured(report: Path) -> Capture:
    return parse_capture(report.read_text(encoding="utf-8"))


def answer(capture: Capture) -> str:
    """What the doctor says of the machine and the message, in small letters."""
    machine = read_machine(capture.source)
    findings = [*explain_message(capture.message, machine), *diagnose(machine)]
    said = [
        word
        for finding in findings
        if not finding.ok
        for word in (finding.name, finding.detail, finding.cure, *map(paste, finding.commands))
    ]
    return " ".join(said).lower()


def test_there_are_as_many_as_promised() -> None:
    assert len(REPORTS) >= 20
    sources = [captured(report).headers["source"] for report in REPORTS]
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.stem)
def test_the_answer_is_what_worked_there(report: Path) -> None:
    headers = captured(report).headers
    said = answer(captured(report))
    for group in headers["expect"].split(";"):
        assert any(words.strip().lower() in said for words in group.split("|")), f"{group}: {said}"
    for words in filter(None, map(str.strip, headers.get("never", "").split(";"))):
        assert words.lower() not in said, f"{words}: {said}"
