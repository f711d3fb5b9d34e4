"""The worst mistakes: the surest wrong answers first, from what a model said alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lensmith.errors import DataError
from lensmith.evaluation.comparison import Measured
from lensmith.evaluation.mistakes import worst_mistakes
from lensmith.runs.predictions import Predictions
from lensmith.types import Task


def model(task: Task, classes: list[str], targets: Any, logits: Any) -> Measured:
    count = len(targets)
    files = np.array([f"photos/{number}.jpg" for number in range(count)])
    ids = np.array([f"{number:064d}" for number in range(count)])
    said = np.asarray(logits, np.float32)
    predictions = Predictions(ids, np.asarray(targets), said, np.full(count, "val"), files)
    return Measured("run", task, classes, predictions)


THREE = model(
    "classification",
    ["ant", "bee", "cat"],
    [0, 0, 1, 2, 0, 2],
    [[3, 0, 0], [0, 2, 0], [0, 5, 0], [0, 200, 0], [0, 90, 0], [4, 0, 0]],
)


def test_the_surest_wrong_answers_come_first() -> None:
    found = worst_mistakes(THREE)
    # Two probabilities are both 1 to the last digit, and are still told apart.
    assert [one.file for one in found.worst] == [f"photos/{number}.jpg" for number in (3, 4, 5, 1)]
    assert (found.worst[-1].shows, found.worst[-1].said) == ("ant", "bee")
    assert found.worst[-1].probability == pytest.approx(np.exp(2) / (np.exp(2) + 2))
    assert found.sure == 3 and found.share is not None and found.share.value == pytest.approx(4 / 6)
    assert [(pair.shows, pair.said, pair.count, pair.share.value) for pair in found.pairs] == [
        ("ant", "bee", 2, 2 / 3),
        ("cat", "ant", 1, 1 / 2),
        ("cat", "bee", 1, 1 / 2),
    ]
    assert found.verdict() == (
        "4 of 6 pictures wrong (66.7%, 30.0% to 90.3%), 3 of them with 90% or more; most often ant taken for bee (2)"
    )
    assert [one.file for one in worst_mistakes(THREE, most=1).worst] == ["photos/3.jpg"]


def test_a_temperature_makes_it_less_sure() -> None:
    assert worst_mistakes(THREE, temperature=50.0).sure == 1


def test_a_model_without_mistakes_says_so() -> None:
    found = worst_mistakes(model("classification", ["a", "b"], [0, 1], [[1, 0], [0, 1]]))
    assert found.verdict() == "no picture that was measured is wrong"
    assert (found.worst, found.pairs) == ([], [])


def test_of_several_labels_the_most_surely_wrong_one_counts() -> None:
    labels = ["sky", "sea, calm"]
    found = worst_mistakes(model("multilabel", labels, [[1, 0], [1, 1], [0, 0]], [[3, -3], [1, -4], [2, -1]]))
    assert [(one.file, one.label, one.missed) for one in found.worst] == [
        ("photos/1.jpg", "sea, calm", True),
        ("photos/2.jpg", "sky", False),
    ]
    assert found.worst[0].words() == "said to show no sea, calm with 98.2%"
    assert found.share is not None and (found.share.value, found.share.count) == (pytest.approx(2 / 3), 3)
    assert {(pair.shows, pair.said): pair.share.value for pair in found.pairs} == {
        ("sea, calm", "no sea, calm"): 1.0,
        ("no sky", "sky"): 1.0,
    }


def test_of_numbers_those_furthest_off() -> None:
    found = worst_mistakes(model("regression", [], [1.0, 10.0, 5.0], [[1.0], [4.0], [5.5]]))
    assert [(one.shows, one.said, one.error) for one in found.worst] == [("10", "4", -6.0), ("5", "5.5", 0.5)]
    assert found.verdict() == "off by 2.167 on average; the furthest off, 1.jpg, said to be 4, is 10"
    assert found.share is None


@pytest.mark.parametrize(
    "found", [THREE, model("regression", [], [1.0], [[2.0]])], ids=["classes", "numbers"]
)
def test_it_is_kept_as_json(found: Measured) -> None:
    facts = worst_mistakes(found).as_dict()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="no finite numbers"):
        worst_mistakes(model("classification", ["a", "b"], [0], [[np.nan, 0]]))
