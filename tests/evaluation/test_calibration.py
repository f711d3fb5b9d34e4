"""A temperature and a threshold from pictures that were not learned from, and what they turn out to be worth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lensmith.evaluation.calibration import (
    FEWEST,
    Unseen,
    calibrate,
    certainties,
    find_threshold,
    fit_temperature,
    log_loss,
)
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.reliability import adaptive_ece, measure_reliability

DRAW = np.random.default_rng(0)


def answers(
    count: int, times: float = 1.0, apart: float = 3.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits of five classes whose softmax, at a temperature of `times`, is exactly right; and targets."""
    targets = DRAW.integers(0, 5, count)
    seen = DRAW.normal(0, 1, (count, 5))
    seen[np.arange(count), targets] += apart
    return seen * apart * times, targets


@pytest.mark.parametrize("times", [0.3, 1.0, 4.0])
def test_the_temperature_that_was_put_in_is_found(times: float) -> None:
    logits, targets = answers(4000, times)
    assert fit_temperature(logits, targets, "classification") == pytest.approx(times, rel=0.1)


def test_the_temperature_of_several_labels() -> None:
    chances = DRAW.random((3000, 4))
    shown = (DRAW.random((3000, 4)) < chances).astype(np.int64)
    logits = 3 * np.log(chances / (1 - chances))
    assert fit_temperature(logits, shown, "multilabel") == pytest.approx(3, rel=0.1)


def test_rare_labels_are_said_from_where_their_f1_is_best() -> None:
    def seen(count: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        chances = DRAW.beta(0.4, 2.0, (count, 4))
        return np.log(chances / (1 - chances)), (DRAW.random((count, 4)) < chances).astype(np.int64)

    chosen = calibrate(Unseen(*seen(2000), "others"), "multilabel", max_error=0.2)
    assert chosen.label_thresholds is not None and max(chosen.label_thresholds) < 0.5
    logits, shown = seen(5000)
    report = measure(
        logits / chosen.temperature, shown, list("abcd"), "multilabel", np.array(chosen.label_thresholds)
    )
    assert report["f1"].low > report["f1_at_half"].high
    said = {**chosen.limits, "label_thresholds": np.array(chosen.label_thresholds)}
    found = measure_reliability(logits, shown, "multilabel", **said)
    assert found is not None and found.wrong.low < 0.2
    assert calibrate(Unseen(logits[:40], shown[:40], "few"), "multilabel").label_thresholds is None


def test_calibrated_probabilities_are_off_by_chance_alone_and_lose_less() -> None:
    chosen = calibrate(Unseen(*answers(2000, 3.0), "others"), "classification")
    logits, targets = answers(5000, 3.0)
    found = measure_reliability(logits, targets, "classification", chosen.temperature, chosen.threshold)
    assert found is not None
    assert found.error < 0.02 < found.before
    assert found.loss < found.loss_before
    assert found.by_chance[0] <= found.error <= found.by_chance[1]
    assert "as right probabilities would be" in found.verdict()
    before = measure_reliability(logits, targets, "classification", 1.0, 0.5)
    assert before is not None
    assert "more than chance" in before.verdict()
    assert sum(one.true.count for one in found.bins) == found.count == 5000


def test_the_error_that_was_asked_for_is_kept_on_other_pictures() -> None:
    kept = 0
    for _ in range(40):
        chosen = calibrate(Unseen(*answers(1000), "others"), "classification", max_error=0.03)
        assert chosen.proven
        certain, right = certainties(*answers(20_000), "classification", chosen.temperature)
        given = certain >= chosen.threshold
        assert given.mean() > 0.3
        kept += bool((~right[given]).mean() <= 0.03)
    assert kept >= 34


def test_too_few_pictures_to_show_it_are_said_to_be() -> None:
    chosen = calibrate(Unseen(*answers(100, apart=4), "others"), "classification", max_error=0.01)
    assert not chosen.proven
    assert "not shown at 95%" in chosen.why
    assert chosen.threshold < 1


def test_a_threshold_counts_equal_certainties_together() -> None:
    certain = np.array([0.9] * 200 + [0.8] * 200)
    right = np.array([True] * 399 + [False])
    assert find_threshold(certain, right, 0.02) == (pytest.approx(0.8), True)
    right[200:] = False
    threshold, shown = find_threshold(certain, right, 0.02)
    assert shown
    assert 0.8 < threshold <= 0.9


def test_answers_that_are_never_right_get_no_threshold_that_lets_them_through() -> None:
    certain = np.linspace(0.5, 0.99, 100)
    assert find_threshold(certain, np.zeros(100, bool), 0.05) == (1.0, False)


def test_nothing_is_set_by_a_handful_of_pictures() -> None:
    few = calibrate(Unseen(*answers(FEWEST - 1, 5.0), "others"), "classification", max_error=0.05)
    assert (few.temperature, few.threshold, few.proven) == (1.0, 0.5, False)
    assert f"only {FEWEST - 1} pictures" in few.why
    assert calibrate(None, "classification").temperature == 1
    assert "no probability" in calibrate(None, "regression").why


def test_log_loss_of_certain_mistakes_stays_a_number() -> None:
    logits, targets = np.array([[1e6, 0.0], [0.0, 1e6]]), np.array([0, 0])
    assert np.isfinite(log_loss(logits, targets, "classification"))
    assert np.isfinite(log_loss(logits, np.eye(2, dtype=int), "multilabel"))
    assert fit_temperature(logits, targets, "classification") > 1


def test_the_gap_of_bins_is_that_of_a_sum_by_hand() -> None:
    chances, true = np.array([0.2] * 10 + [0.9] * 10), np.array([True, False] * 5 + [True] * 10)
    # four bins of five: three, two, five and five of them true
    assert adaptive_ece(chances, true) == pytest.approx((0.4 * 5 + 0.2 * 5 + 0.1 * 10) / 20)
