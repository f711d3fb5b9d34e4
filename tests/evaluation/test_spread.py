"""How far seeds lie apart: the interval holds what it says, and a difference is set beside it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lensmith.evaluation.small_samples import chi_square, student_t
from lensmith.evaluation.spread import Answers, Spread, beside_spread, spread_from


@pytest.mark.parametrize(
    ("freedom", "t", "low", "high"),
    [
        (1, 12.7062, 0.000982, 5.0239),
        (4, 2.7764, 0.4844, 11.1433),
        (9, 2.2622, 2.7004, 19.0228),
        (29, 2.0452, 16.0471, 45.7223),
    ],
)
def test_quantiles_are_those_of_the_printed_tables(freedom: int, t: float, low: float, high: float) -> None:
    assert student_t(freedom) == pytest.approx(t, rel=1e-4)
    assert chi_square(0.025, freedom) == pytest.approx(low, rel=1e-3)
    assert chi_square(0.975, freedom) == pytest.approx(high, rel=1e-4)


def test_the_interval_of_the_spread_holds_the_true_one_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    held = another = 0
    for _ in range(1000):
        values = draw.normal(0.9, 0.01, 6).tolist()
        spread = Spread("accuracy", range(5), values[:5], 100, 3)
        deviation, ends = spread.deviation, spread.another()
        assert deviation.low is not None and deviation.high is not None and ends is not None
        held += deviation.low <= 0.01 <= deviation.high
        another += ends[0] <= values[5] <= ends[1]
    assert 930 <= held <= 970
    assert 930 <= another <= 970


def test_a_spread_is_told_with_its_interval_and_the_pictures_in_dispute() -> None:
    spread = Spread("accuracy", [7, 8, 9], [0.90, 0.92, 0.94], 153, 4, note="a note")
    words = spread.verdict()
    assert words.startswith(
        "3 trainings, by seeds 7, 8, 9: accuracy 92.0% on average on the same 153 pictures, 90.0% to 94.0%; "
        "standard deviation 2.0 points, between 1.0 points and 12.6 points"
    )
    assert "of the seeds" in words and "that of the pictures is another" in words
    assert words.endswith("on 4 of 153 pictures the seeds disagree; a note")
    assert spread_from(json.loads(json.dumps(spread.as_dict()))) == spread


def test_what_does_not_spread_has_no_interval() -> None:
    equal = Spread("accuracy", [0, 1], [0.9, 0.9], 50, 0)
    assert equal.deviation.value == 0 and equal.deviation.low is None
    assert "all of them are equal" in equal.verdict()
    alone = Spread("accuracy", [0], [0.9], 50)
    assert "one training shows no spread" in alone.verdict()
    assert beside_spread(("a", "b"), (equal, None), (0.9, 0.8)) == ""


@pytest.mark.parametrize("facts", [{}, {"figure": "accuracy"}, {"figure": "a", "seeds": 3, "values": None}])
def test_another_form_is_no_spread(facts: dict[str, object]) -> None:
    assert spread_from(facts) is None


def test_pictures_in_dispute_are_counted_by_their_answers() -> None:
    one = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, -1.0]], np.float32)
    other = np.array([[1.1, 1.0], [1.0, -1.0], [9.0, -1.0]], np.float32)
    assert Answers("classification", [one, other, one]).disagreement() == (1, None)
    assert Answers("multilabel", [one, other]).disagreement() == (1, None)
    assert Answers("regression", [one[:, :1], one[:, :1] + 2]).disagreement() == (None, pytest.approx(2**0.5))


def test_a_difference_within_the_spread_of_one_runs_seeds() -> None:
    spread = Spread("accuracy", range(5), [0.90, 0.91, 0.92, 0.93, 0.94], 100, 3)
    within = beside_spread(("a", "b"), (spread, None), (0.90, 0.935))
    assert within.startswith("the difference is within the spread of seeds: 5 seeds of a")
    assert within.endswith("and b has 93.5%")
    beyond = beside_spread(("a", "b"), (None, spread), (0.5, 0.9))
    assert beyond.startswith("the difference is beyond the spread of seeds: 5 seeds of b")
    assert beside_spread(("a", "b"), (None, None), (0.5, 0.9)) == ""


def test_seeds_of_both_are_compared_by_their_means() -> None:
    a = Spread("accuracy", range(3), [0.90, 0.91, 0.92], 100, 3)
    near = Spread("accuracy", range(3), [0.91, 0.92, 0.925], 100, 3)
    far = Spread("accuracy", range(3), [0.70, 0.71, 0.72], 100, 3)
    assert "within their spread" in beside_spread(("a", "b"), (a, near), (0.9, 0.91))
    assert "beyond their spread" in beside_spread(("a", "b"), (a, far), (0.9, 0.7))
