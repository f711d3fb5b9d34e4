"""How many measured pictures are marked, with an interval, and whether the model errs on them more often."""

from __future__ import annotations

import numpy as np
import pytest

from lensmith.evaluation.intervals import proportion
from lensmith.evaluation.unlike import measure_unlike
from lensmith.report.unlike import unlike as section

MARKED = np.array([True] * 4 + [False] * 196)
RIGHT = np.eye(2)[[1, 0, 0, 0] + [1] * 196]
TARGETS = np.ones(200, int)


def test_the_share_and_how_the_model_does_on_either_side() -> None:
    found = measure_unlike(MARKED, RIGHT, TARGETS, "classification", 500, 0.3)
    assert found is not None and found.marked == proportion(4, 200)
    assert found.right_marked == proportion(1, 4) and found.right_others == proportion(196, 196)
    assert "2.0% of 200 pictures are marked" in found.verdict() and "differ" not in found.verdict()
    assert "25.0% of those marked are answered rightly, 100.0% of the others" in found.verdict()


def test_many_marks_say_that_the_pictures_are_others() -> None:
    found = measure_unlike(~MARKED, RIGHT, TARGETS, "classification", 500, 0.3)
    assert found is not None and "so these differ from them" in found.verdict()


def test_a_number_is_neither_right_nor_wrong_and_no_pictures_have_no_share() -> None:
    numbers = np.zeros((200, 1))
    found = measure_unlike(MARKED, numbers, np.zeros(200), "regression", 60, 0.3)
    assert found is not None and found.right_marked is None and "answered" not in found.verdict()
    assert measure_unlike(MARKED[:0], numbers[:0], TARGETS[:0], "classification", 60, 0.3) is None


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_page_shows_what_the_report_holds(task: str) -> None:
    found = measure_unlike(MARKED, RIGHT, TARGETS, task, 500, 0.3125)  # type: ignore[arg-type]
    assert found is not None
    html = section(found.as_dict())
    assert found.verdict() in html and "0.312" in html and "500" in html
    assert ('<data value="196"' in html) == (task == "classification")
