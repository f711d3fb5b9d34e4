"""The winner of a sweep beside the usual recipe: luck of the pictures and luck of the seeds are both luck."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lensmith.evaluation.paired import mcnemar
from lensmith.evaluation.paired_seeds import SeedsCompared, compare_seeds, picture_parts


def right(*counts: int, of: int) -> NDArray[np.float64]:
    """For each seed, that many of the pictures answered rightly, the first ones."""
    return np.array([np.arange(of) < count for count in counts], np.float64)


def compared(tried: NDArray[np.float64], usual: NDArray[np.float64]) -> SeedsCompared:
    return compare_seeds("accuracy", tuple(range(len(tried))), tried, usual)


def test_of_one_seed_it_is_mcnemars_test() -> None:
    tried, usual = right(90, of=100), right(80, of=100)
    usual[0, 95] = 1  # one that the usual recipe alone gets right
    found = compared(tried, usual)
    assert found.chance == pytest.approx(mcnemar(10, 1), abs=1e-12)
    assert found.difference.value == pytest.approx(0.09)
    assert found.is_better


def test_a_clear_gain_is_told_with_its_range() -> None:
    found = compared(right(180, 178, 181, of=200), right(150, 152, 149, of=200))
    assert found.is_better
    assert found.verdict().startswith("better than the default by 14.7 points: 89.8% against 75.2%")
    assert found.difference.low is not None and found.difference.low > 0


def test_seeds_that_differ_more_than_recipes_tell_nothing() -> None:
    """All pictures agree that one seed was lucky; that is one lucky seed, not a hundred witnesses."""
    found = compared(right(190, 130, 150, of=200), right(120, 150, 160, of=200))
    assert not found.is_better
    assert found.verdict().startswith("no better than the default that can be told")


def test_what_is_worse_is_said_so() -> None:
    found = compared(right(150, 152, 149, of=200), right(180, 178, 181, of=200))
    assert not found.is_better
    assert found.verdict().startswith("worse than the default by 14.7 points")


def test_few_pictures_that_differ_are_no_proof() -> None:
    assert not compared(right(48, 48, 48, of=50), right(45, 45, 45, of=50)).is_better


def test_an_error_that_is_less_is_better() -> None:
    draw = np.random.default_rng(0)
    usual = draw.gamma(2, 1, (3, 200))
    found = compare_seeds("mae", (0, 1, 2), 0.7 * usual + draw.normal(0, 0.05, (3, 200)), usual)
    assert found.is_better and found.difference.value < 0


@pytest.mark.parametrize(("pictures", "seeds"), [(60, 3), (300, 2)])
def test_equal_recipes_are_told_apart_no_oftener_than_luck_may(pictures: int, seeds: int) -> None:
    """Pictures of different difficulty, and seeds that move the accuracy of all of them by some points."""
    draw, found, times = np.random.default_rng(pictures), 0, 300
    for _ in range(times):
        ease = draw.normal(1.5, 1.5, pictures)
        sides = [
            np.array(ease + draw.normal(0, 0.4, (seeds, 1)) + draw.normal(0, 1, (seeds, pictures)) > 0, float)
            for _ in range(2)
        ]
        found += compared(*sides).is_better
    assert found <= 0.05 * times  # "better" in vain; "worse" in vain is as often


def test_parts_of_pictures_make_the_figure() -> None:
    outputs = np.array([[2.0, -1.0], [0.0, 1.0], [3.0, -2.0]], np.float32)
    assert picture_parts(outputs, np.array([0, 0, 0]), "classification").tolist() == [1, 0, 1]
    assert picture_parts(outputs[:, :1], np.array([1.0, 0.5, 3.0]), "regression").tolist() == [1, 0.5, 0]
    labels = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    assert picture_parts(outputs, labels, "multilabel").mean() == pytest.approx(1.0)
