"""How a regression errs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lensmith.errors import DataError
from lensmith.evaluation.residuals import Residuals, rank_correlation, study_residuals
from lensmith.report.residuals import residuals
from lensmith.runs.predictions import Predictions


def study(true: np.ndarray, said: np.ndarray) -> Residuals:  # type: ignore[type-arg]
    ids = np.array([f"{number}.png" for number in range(len(true))])
    return study_residuals(Predictions(ids, true, said.astype(np.float32)[:, None], ids, ids))


def test_errors_that_lean_and_grow_are_told() -> None:
    draw = np.random.default_rng(0)
    true = draw.uniform(1, 10, 600)
    said = true + 0.5 + true * draw.normal(size=600) / 10
    said[17] = 40.0
    found = study(true, said)
    assert found.bias.low is not None and found.bias.low > 0
    assert found.growth.low is not None and found.growth.low > 0.1
    assert found.worst[0] == ("17.png", pytest.approx(true[17]), 40.0) and len(found.worst) == 10
    spreads = [one.spread for one in found.bins[:-1]]
    assert spreads == sorted(spreads) and sum(one.bias.count for one in found.bins) == 600
    assert found.quantiles["50%"] == pytest.approx(np.median(said - true), abs=1e-5)
    assert "too high on average" in found.verdict() and "errors grow with the number said" in found.verdict()
    assert len(found.points) == 500
    json.dumps(found.as_dict(), allow_nan=False)


def test_even_errors_are_not_called_leaning() -> None:
    draw = np.random.default_rng(0)
    true = draw.normal(size=400)
    assert study(true, true + draw.normal(size=400) / 3).verdict().startswith("neither too high nor too low")
    assert "errors" not in study(true, true + draw.normal(size=400) / 3).verdict()


@pytest.mark.parametrize("count", [1, 3, 25])
def test_few_pictures_have_no_intervals_and_say_so(count: int) -> None:
    found = study(np.arange(float(count)), np.arange(count) + 1.0)
    assert found.bias.low is None and "too few" in found.bias.why and found.bins == []
    assert residuals(json.loads(json.dumps(found.as_dict(), allow_nan=False)))


def test_rank_correlation_is_that_by_hand() -> None:
    assert rank_correlation(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 9])).value == pytest.approx(0.8)
    assert rank_correlation(np.array([1.0, 1, 2]), np.array([3.0, 3, 4])).value == pytest.approx(1)


def test_predictions_of_another_task_are_refused() -> None:
    ids = np.array(["a", "b"])
    with pytest.raises(DataError, match="no predictions of a regression"):
        study_residuals(Predictions(ids, np.array([0, 1]), np.zeros((2, 3), np.float32), ids, ids))


def test_the_drawing_shows_every_point_inside_its_square_and_files_are_no_markup() -> None:
    facts = study(np.array([0.0, 5.0, 10.0]), np.array([1.0, -4.0, 12.0])).as_dict()
    facts["worst"][0]["file"] = "<b>.png"
    page = residuals(facts)
    (dots,) = [part for part in page.split('"') if part.startswith("M") and part.count("h0") == 3]
    placed = [float(word) for dot in dots.split("h0") if dot for word in dot[1:].split()]
    assert all(0 <= at <= 100 for at in placed) and placed[::2] == sorted(placed[::2])
    assert "&lt;b&gt;.png" in page and "<b>.png" not in page
    assert residuals({}) == ""
