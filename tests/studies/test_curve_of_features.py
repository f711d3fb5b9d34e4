"""The learning curve rests on what the last layer learned from, where that is at hand: nothing is looked at again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import numpy as np
from runs_by_hand import make_run

from lensmith.bundle.bundle import Bundle
from lensmith.data.dataset import Example, ImageDataset
from lensmith.evaluation.report import report_from
from lensmith.runs.files import read_json
from lensmith.runs.predictions import Predictions
from lensmith.runs.recipe import Recipe
from lensmith.studies.kinds import learning_curve
from lensmith.studies.subject import Subject

CLASSES = ["ant", "bee"]


def test_pictures_that_are_not_even_there_tell_whether_more_would_help(tmp_path: Path) -> None:
    targets = np.repeat([0, 1], 60)
    train = ImageDataset(
        [
            Example(Path(f"{n}.png"), int(target), split="train", sha256=str(n))
            for n, target in enumerate(targets)
        ],
        CLASSES,
    )
    features = np.random.default_rng(0).normal(size=(120, 16)).astype(np.float32)
    features[:, 0] += 2.0 * targets
    directory = make_run(tmp_path / "run", CLASSES, [[10, 2], [3, 9]])
    Recipe(freeze=True).write(directory.recipe_file)
    report, said = report_from(read_json(directory.report_file)), cast(Predictions, None)
    soon = time.perf_counter() + 60
    subject = Subject(directory, cast(Bundle, None), train, train, said, report, soon, features)
    going = learning_curve(subject)
    while True:
        try:
            next(going)
        except StopIteration as end:
            curve: dict[str, Any] = end.value
            break
    assert curve["count"] == 120 and not curve["is_proxy"]
    assert curve["verdict"].startswith("twice as many training pictures would bring about ")
