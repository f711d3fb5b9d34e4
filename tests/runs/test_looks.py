"""Every look at a held-out split is counted, for that split, over all runs beside each other."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from lensmith.runs.looks import record_look


def look(file: Path, fingerprint: str = "a" * 64, run: str = "pets-001") -> int:
    return record_look(file, fingerprint=fingerprint, run=run, split="val")


def test_looks_are_counted_by_what_was_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "looks.jsonl"
    assert [look(file), look(file, run="pets-002"), look(file, "b" * 64), look(file)] == [1, 2, 1, 3]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["run"] for line in lines] == ["pets-001", "pets-002", "pets-001", "pets-001"]
    assert all(line["split"] == "val" for line in lines)
    assert all(datetime.fromisoformat(line["time"]).utcoffset() is not None for line in lines)


def test_names_that_break_lines_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "looks.jsonl"
    for seen in (1, 2, 3):
        assert look(file, run="line\u2028separator\x85\n🐈") == seen
    assert look(file, run="caf\udce9") == 4


def test_a_damaged_file_still_counts_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "looks.jsonl"
    look(file)
    look(file)
    file.write_bytes(b"5\n[]\nnull\n" + file.read_bytes() + b'{"time": "2026')
    assert [look(file), look(file)] == [3, 4]


def test_a_run_is_not_lost_over_the_note(tmp_path: Path) -> None:
    """`--out` may name a folder in one that cannot be written to."""
    (tmp_path / "file").write_text("x")
    assert look(tmp_path / "file" / "looks.jsonl") == 1
