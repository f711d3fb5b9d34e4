"""Figures and intervals against values from books and by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lensmith.errors import ModelFileError
from lensmith.evaluation.intervals import Value, f1, proportion
from lensmith.evaluation.metrics import measure, softmax
from lensmith.evaluation.ranking import mean_of, roc_auc
from lensmith.evaluation.report import Report, report_from


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
        (1, 1, 0.2065, 1.0),
        (0, 1, 0.0, 0.7935),
    ],
)
def test_wilson_intervals_are_those_of_the_literature(
    successes: int, count: int, low: float, high: float
) -> None:
    found = proportion(successes, count)
    assert (found.value, found.count) == (successes / count, count)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize("count", [1, 2, 7, 100, 10**7])
def test_an_interval_holds_its_share_and_stays_within_zero_and_one(count: int) -> None:
    for successes in {0, 1, count // 2, count - 1, count}:
        found = proportion(successes, count)
        assert found.low is not None and found.high is not None
        assert 0 <= found.low <= found.value <= found.high <= 1
    assert proportion(0, count).low == 0 and proportion(count, count).high == 1


def test_no_pictures_have_no_share_and_say_so() -> None:
    found = proportion(0, 0)
    assert math.isnan(found.value) and (found.low, found.high, found.count) == (None, None, 0)
    assert str(found) == "none (no pictures)"
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["value"] is None


# rows: what the pictures show (a a a a b b b c c); said: what the model answers
SHOWN = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])
SAID = np.array([0, 0, 0, 1, 1, 1, 0, 1, 1])


def nine() -> Report:
    return measure(np.eye(3)[SAID], SHOWN, ["a", "b", "c"])


def test_the_confusion_has_what_is_shown_in_rows() -> None:
    assert nine().confusion == [[3, 1, 0], [1, 2, 0], [0, 2, 0]]


def test_figures_per_class_are_those_by_hand() -> None:
    a, b, c = nine().per_class
    assert [one.count for one in (a, b, c)] == [4, 3, 2]
    assert [one.recall.value for one in (a, b, c)] == [3 / 4, 2 / 3, 0]
    assert [one.precision.value for one in (a, b)] == [3 / 4, 2 / 5]
    assert [one.f1.value for one in (a, b, c)] == pytest.approx(
        [3 / 4, 2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3), 0]
    )
    assert (a.recall, b.precision) == (proportion(3, 4), proportion(2, 5))
    assert math.isnan(c.precision.value) and c.precision.count == 0  # it was never said


def test_figures_over_all_are_those_by_hand() -> None:
    report = nine()
    assert report["accuracy"] == proportion(5, 9)
    assert report["balanced_accuracy"].value == pytest.approx((3 / 4 + 2 / 3 + 0) / 3)
    assert report.baseline == 4 / 9
    hit, missed = -math.log(math.e / (math.e + 2)), -math.log(1 / (math.e + 2))
    assert report["log_loss"].value == pytest.approx((5 * hit + 4 * missed) / 9)
    assert report["log_loss"].low is None and "too few" in report["log_loss"].why


def test_a_class_without_pictures_takes_no_part_in_the_balance() -> None:
    report = measure(np.eye(3)[[0, 0, 1]], np.array([0, 0, 0]), ["a", "b", "c"])
    assert report["balanced_accuracy"].value == pytest.approx(2 / 3)
    assert [one.count for one in report.per_class] == [3, 0, 0]
    assert report["balanced_accuracy"].count == 3


def test_balanced_accuracy_covers_the_truth_about_as_often_as_it_says() -> None:
    """Classes of 200, 40 and 15 pictures, found with 0.9, 0.7 and 0.5: 95 % of intervals hold 0.7."""
    rng, held = np.random.default_rng(0), 0
    targets = np.repeat([0, 1, 2], [200, 40, 15])
    chances = np.array([0.9, 0.7, 0.5])[targets]
    for _ in range(400):
        answers = np.where(rng.random(len(targets)) < chances, targets, (targets + 1) % 3)
        found = measure(np.eye(3)[answers], targets, ["a", "b", "c"])["balanced_accuracy"]
        assert found.low is not None and found.high is not None
        held += found.low <= 0.7 <= found.high
    assert 0.92 <= held / 400 <= 0.99


def test_a_mean_of_many_losses_has_a_normal_interval() -> None:
    rng = np.random.default_rng(1)
    logits, targets = rng.normal(size=(500, 4)), rng.integers(4, size=500)
    found = measure(logits, targets, list("abcd"))["log_loss"]
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(500), targets]
    half = 1.959964 * losses.std(ddof=1) / math.sqrt(500)
    assert (found.value, found.low) == (pytest.approx(losses.mean()), pytest.approx(losses.mean() - half))


def test_softmax_of_large_numbers_and_by_a_temperature() -> None:
    assert softmax(np.array([[1e30, 0.0, -1e30]])).tolist() == [[1, 0, 0]]
    assert softmax(np.array([[2.0, 0.0]]), 2.0)[0, 0] == pytest.approx(math.e / (math.e + 1))
    large = measure(np.array([[1e30, 0.0]] * 2), np.array([0, 1]), ["a", "b"])
    assert math.isfinite(large["log_loss"].value)


def test_a_report_comes_back_from_json_as_it_was() -> None:
    report = replace(nine(), split="test", held_out=True, seen=3)
    text = json.dumps(report.as_dict(), allow_nan=False)
    back = report_from(json.loads(text))
    assert json.dumps(back.as_dict(), allow_nan=False) == text
    assert back.values == report.values and back.per_class[:2] == report.per_class[:2]
    assert math.isnan(back.per_class[2].precision.value)
    assert (back.split, back.held_out, back.seen, back.baseline) == ("test", True, 3, 4 / 9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "55.6% of 9 pictures right, between 26.7% and 81.1%"),
        ({"held_out": True, "seen": 1}, "55.6% of 9 held-out pictures right, between 26.7% and 81.1%"),
        ({"held_out": True, "seen": 4}, "right, between 26.7% and 81.1%; seen 4 times"),
        ({"count": 12345}, "of 12,345 pictures right, between 26.7% and 81.1%"),
        ({"values": {"accuracy": Value(0.5, None, None, 9, "folds")}}, "50.0% of 9 pictures right"),
    ],
)
def test_the_verdict_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    assert replace(nine(), **changes).verdict().endswith(words)


def test_a_report_shows_itself_and_its_names_are_no_markup() -> None:
    report = measure(np.eye(2), np.array([0, 1]), ["<b>", "größe"])
    assert "größe" in str(report) and "recall 1.000" in str(report)
    assert "&lt;b&gt;" in report._repr_html_() and "<b>&" not in report._repr_html_()
    assert "nan" not in str(nine()) and "nan" not in nine()._repr_html_()


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    scores, shown = np.array([0.9, 0.8, 0.8, 0.3, 0.1]), np.array([True, True, False, True, False])
    # of six pairs four are right, and one is a tie
    assert roc_auc(scores, shown).value == pytest.approx((4 + 0.5) / 6)
    perfect = roc_auc(np.arange(40.0), np.arange(40) >= 20)
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low is not None and 0.8 < perfect.low < 1
    assert roc_auc(scores, np.ones(5, bool)).why == "all pictures show it"


def test_the_mean_of_two_areas_that_are_one_is_no_surer_than_it() -> None:
    draw = np.random.default_rng(0)
    shown, scores = draw.random(100) < 0.4, draw.normal(size=100)
    one = roc_auc(scores + shown, shown)
    both = mean_of([one, roc_auc(-scores - shown, ~shown)])
    assert (both.value, both.low, both.high) == pytest.approx((one.value, one.low, one.high))


@pytest.mark.parametrize("count", [50, 153, 1000])
@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0, 3.0])
def test_intervals_of_areas_hold_the_true_one(count: int, distance: float) -> None:
    draw, true = np.random.default_rng(0), (1 + math.erf(distance / 2)) / 2
    shown = np.arange(count) < count // 5
    found = [roc_auc(draw.normal(size=count) + distance * shown, shown) for _ in range(300)]
    assert np.mean([(one.low or 0) <= true <= (one.high or 0) for one in found]) > 0.91


@pytest.mark.parametrize("count", [50, 153, 1000])
@pytest.mark.parametrize("right", [0.5, 0.8, 0.95])
def test_intervals_of_f1_hold_the_true_one(count: int, right: float) -> None:
    """Half of the pictures show the class; of either half the same share is answered rightly."""
    draw, true = np.random.default_rng(0), right
    cells = draw.multinomial(count, [right / 2, (1 - right) / 2, (1 - right) / 2, right / 2], 500).tolist()
    found = [f1(hit, hit + missed, hit + false) for hit, missed, false, _ in cells]
    assert np.mean([(one.low or 0) <= true <= (one.high or 0) for one in found]) > 0.91


def test_the_class_may_be_among_the_first_five() -> None:
    logits = np.tile(np.arange(8.0), (4, 1))
    report = measure(logits, np.array([7, 6, 3, 2]), list("abcdefgh"))
    assert report["top_5_accuracy"] == proportion(3, 4)
    assert "top_5_accuracy" not in nine().values


def test_a_report_of_another_version_is_named_with_what_to_do() -> None:
    facts = nine().as_dict()
    facts["per_class"][0]["f1"] = 0.75
    with pytest.raises(ModelFileError, match="old: its report is damaged, or of another version") as error:
        report_from(facts, "old")
    assert "lensmith evaluate" in error.value.hint
