"""A run is set beside the one before it that was measured on the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from runs_by_hand import make_run

from lensmith.bundle.bundle import Bundle
from lensmith.data.dataset import Example, ImageDataset
from lensmith.evaluation.report import report_from
from lensmith.report.page import write_page
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import read_json
from lensmith.runs.looks import record_look
from lensmith.runs.predictions import Predictions
from lensmith.studies.beside import beside
from lensmith.studies.schedule import Studied
from lensmith.studies.studied import write_studies
from lensmith.studies.subject import Subject

CLASSES = ["ant", "bee"]
TARGETS = np.repeat([0, 1], 100)
HELD_OUT = ImageDataset(
    [
        Example(Path(f"{number}.png"), int(target), sha256=str(number))
        for number, target in enumerate(TARGETS)
    ],
    CLASSES,
)


def run(place: Path, name: str, wrong: int) -> Subject:
    """A run that is wrong about its first pictures, with its look noted."""
    directory = make_run(place / name, CLASSES, [[100 - wrong, wrong], [0, 100]])
    logits = np.eye(2, dtype=np.float32)[TARGETS]
    logits[:wrong] = logits[:wrong, ::-1]
    names = np.array(HELD_OUT.ids)
    predictions = Predictions(names, TARGETS, logits, np.full(200, "val"), np.char.add(names, ".png"))
    predictions.write(directory.predictions_file)
    record_look(directory.looks_file, fingerprint=HELD_OUT.fingerprint, run=name, split="val")
    report = report_from(read_json(directory.report_file))
    return Subject(directory, cast(Bundle, None), HELD_OUT, HELD_OUT, predictions, report)


def ended(going: Any) -> Any:
    while True:
        try:
            next(going)
        except StopIteration as end:
            return end.value


def test_the_newest_other_run_on_the_same_pictures(tmp_path: Path) -> None:
    run(tmp_path, "photos-001", wrong=60)
    run(tmp_path, "photos-002", wrong=10)
    found = ended(beside(run(tmp_path, "photos-003", wrong=12)))
    assert found["run"] == "photos-002"
    assert found["brief"] == "not to be told apart from photos-002"


def test_a_run_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    run(tmp_path, "photos-001", wrong=60)
    record_look(tmp_path / "looks.jsonl", fingerprint=HELD_OUT.fingerprint, run="photos-002", split="val")
    found = ended(beside(run(tmp_path, "photos-003", wrong=10)))
    assert found["brief"] == "better than photos-001 by 25.0 points"


def test_the_first_run_stands_alone(tmp_path: Path) -> None:
    assert ended(beside(run(tmp_path, "photos-001", wrong=3))) == {}


def test_the_page_says_it_in_its_first_sentence(tmp_path: Path) -> None:
    run(tmp_path, "photos-001", wrong=10)
    later = run(tmp_path, "photos-002", wrong=50)
    found = ended(beside(later))
    assert found["better"] == "photos-001"
    write_studies(later.run, later.report, Studied({"beside": found}))
    write_page(RunDirectory(tmp_path / "photos-002"))
    page = (tmp_path / "photos-002/report.html").read_text(encoding="utf-8")
    assert "; worse than photos-001 by 20.0 points</h1>" in page
