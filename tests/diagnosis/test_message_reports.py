"""Real reports from issue threads: the doctor's answer holds the cure that worked there.

Each file of `reports/` holds what was pasted in the thread. What is expected was written from the thread, before
anybody looked whether the table answers it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from machines import BARE

from lensmith.diagnosis.doctor import diagnose
from lensmith.diagnosis.messages import explain_message
from lensmith.diagnosis.quoting import paste

REPORTS = sorted((Path(__file__).parent / "reports").glob("*.txt"))


def parts(report: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The headers, and the sections by their names."""
    head, *sections = report.read_text(encoding="utf-8").split("\n=== ")
    headers = dict(line.split(": ", 1) for line in head.splitlines() if line)
    named = (section.partition("\n") for section in sections)
    return headers, {name: text for name, _, text in named}


def answer(sections: dict[str, str]) -> str:
    """What the doctor says of the machine and the message, in small letters."""
    facts = dict(line.split(" ", 1) for line in sections["python"].splitlines() if line)
    machine = replace(
        BARE, python=facts["version"], executable=facts["executable"], platform=facts["platform"]
    )
    findings = [*explain_message(sections["message"], machine), *diagnose(machine)]
    said = [
        word
        for finding in findings
        if not finding.ok
        for word in (finding.name, finding.detail, finding.cure, *map(paste, finding.commands))
    ]
    return " ".join(said).lower()


def test_there_are_as_many_as_promised() -> None:
    assert len(REPORTS) >= 20
    sources = [parts(report)[0]["source"] for report in REPORTS]
    assert len(set(sources)) == len(sources)


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.stem)
def test_the_answer_is_what_worked_there(report: Path) -> None:
    headers, sections = parts(report)
    said = answer(sections)
    for group in headers["expect"].split(";"):
        assert any(words.strip().lower() in said for words in group.split("|")), f"{group}: {said}"
    for words in filter(None, map(str.strip, headers.get("never", "").split(";"))):
        assert words.lower() not in said, f"{words}: {said}"
