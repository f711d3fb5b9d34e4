"""Figures and intervals against values from books and by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lensmith.errors import ModelFileError
from lensmith.evaluation.intervals import Value, f1, mean, proportion
from lensmith.evaluation.metrics import balanced_accuracy, measure, softmax
from lensmith.evaluation.ranking import Area, mean_area, rank, roc_auc
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
    assert report.baseline is not None
    assert (report.baseline.answer, report.baseline.value) == ("a", proportion(4, 9))
    # the model alone is right on 2 of b, the baseline alone on one of a
    assert report.baseline.difference.value == pytest.approx(1 / 9) and report.baseline.chance > 0.5
    hit, missed = -math.log(math.e / (math.e + 2)), -math.log(1 / (math.e + 2))
    assert report["log_loss"].value == pytest.approx((5 * hit + 4 * missed) / 9)
    assert report["log_loss"].low is None and "too few" in report["log_loss"].why


def test_a_class_without_pictures_takes_no_part_in_the_balance() -> None:
    report = measure(np.eye(3)[[0, 0, 1]], np.array([0, 0, 0]), ["a", "b", "c"])
    assert report["balanced_accuracy"].value == pytest.approx(2 / 3)
    assert [one.count for one in report.per_class] == [3, 0, 0]
    assert report["balanced_accuracy"].count == 3


@pytest.mark.parametrize("shares", [[0.9, 0.1], [0.1] * 10, [0.55, *[0.05] * 9]], ids=["rare", "ten", "long"])
@pytest.mark.parametrize(("count", "right"), [(50, 0.5), (50, 0.95), (153, 0.9), (1000, 0.95)])
def test_balanced_accuracy_covers_the_truth_about_as_often_as_it_says(
    shares: list[float], count: int, right: float
) -> None:
    draw = np.random.default_rng(0)
    recalls = np.clip(right + np.linspace(-0.6, 0.6, len(shares)) * (1 - right), 0, 1)
    shown = draw.multinomial(count, shares, 500)
    found = draw.binomial(shown, recalls)
    values = [balanced_accuracy(hits, pictures) for hits, pictures in zip(found, shown, strict=True)]
    truths = [recalls[pictures > 0].mean() for pictures in shown]
    told = [(v.low, true, v.high) for v, true in zip(values, truths, strict=True) if v.low is not None]
    assert 0.9 < np.mean([low <= true <= (high or 0) for low, true, high in told]) < 0.998


def test_a_balance_that_hangs_on_five_pictures_has_no_interval() -> None:
    few, more = (balanced_accuracy(np.array([40, 4]), np.array([45, rare])) for rare in (5, 9))
    assert few.value == pytest.approx((40 / 45 + 4 / 5) / 2) and few.low is None and "too few" in few.why
    assert more.low is not None


def test_a_mean_of_even_numbers_has_the_interval_of_student() -> None:
    numbers = np.repeat([1.0, 3.0], 25)
    found = mean(numbers)
    assert found.value == 2
    half = 2.0096 * math.sqrt(50 / 49) / math.sqrt(50)  # t of 49 degrees of freedom
    assert (found.low, found.high) == (pytest.approx(2 - half, abs=1e-4), pytest.approx(2 + half, abs=1e-4))


@pytest.mark.parametrize("count", [50, 153, 1000])
def test_a_mean_of_skewed_numbers_is_held_and_reaches_further_up(count: int) -> None:
    draw = np.random.default_rng(0)
    found = [mean(draw.exponential(size=count) ** 2, least=0.0) for _ in range(400)]
    assert np.mean([(one.low or 0) <= 2 <= (one.high or 0) for one in found]) > 0.9
    assert np.mean([(one.high or 0) - one.value > one.value - (one.low or 0) for one in found]) == 1


def test_log_loss_without_a_wrong_answer_has_no_interval() -> None:
    logits, targets = np.eye(2)[[0, 1] * 30], np.array([0, 1] * 30)
    surely = measure(logits * np.linspace(1, 3, 60)[:, None], targets, ["a", "b"])["log_loss"]
    assert surely.low is None and "wrong answer" in surely.why
    targets[3] = 0
    assert measure(logits, targets, ["a", "b"])["log_loss"].low is not None


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
    assert (back.split, back.held_out, back.seen, back.baseline) == ("test", True, 3, report.baseline)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "55.6% of 9 pictures right, between 26.7% and 81.1%"),
        ({"held_out": True, "seen": 1}, "55.6% of 9 held-out pictures right, between 26.7% and 81.1%"),
        ({"held_out": True, "seen": 4}, "right, between 26.7% and 81.1%; seen 4 times"),
        ({"count": 12345}, "of 12,345 pictures right, between 26.7% and 81.1%"),
        ({"values": {"accuracy": Value(0.5, None, None, 9, "folds")}}, "50.0% of 9 pictures right"),
        ({"baseline": nine().baseline}, "and 81.1%; always saying a (44.4%) is not clearly worse"),
    ],
)
def test_the_verdict_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    assert replace(nine(), **{"baseline": None, **changes}).verdict().endswith(words)


def test_a_report_shows_itself_and_its_names_are_no_markup() -> None:
    report = measure(np.eye(2), np.array([0, 1]), ["<b>", "größe"])
    assert "größe" in str(report) and "recall 1.000" in str(report)
    assert "&lt;b&gt;" in report._repr_html_() and "<b>&" not in report._repr_html_()
    assert "nan" not in str(nine()) and "nan" not in nine()._repr_html_()


def area(scores: np.ndarray[Any, Any], shown: np.ndarray[Any, Any]) -> Area:
    found = roc_auc(rank(scores, shown))
    assert found is not None
    return found


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    scores, shown = np.array([0.9, 0.8, 0.8, 0.3, 0.1]), np.array([True, True, False, True, False])
    # of six pairs four are right, and one is a tie
    assert area(scores, shown).value.value == pytest.approx((4 + 0.5) / 6)
    perfect = area(np.arange(40.0), np.arange(40) >= 20).value
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low is not None and 0.8 < perfect.low < 1
    assert roc_auc(rank(scores, np.ones(5, bool))) is None


def test_the_mean_of_two_areas_that_are_one_is_no_surer_than_it() -> None:
    draw = np.random.default_rng(0)
    shown, scores = draw.random(100) < 0.4, draw.normal(size=100)
    one, other = area(scores + shown, shown), area(-scores - shown, ~shown)
    both = mean_area([one, other], 100)
    assert (both.value, both.low, both.high) == pytest.approx(
        (one.value.value, one.value.low, one.value.high)
    )
    apart = mean_area([one, area(draw.normal(size=100) + shown, shown)], 100)
    assert (apart.high or 1) - (apart.low or 0) < (both.high or 1) - (both.low or 0)


@pytest.mark.parametrize("count", [50, 153, 1000])
@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0, 3.0])
def test_intervals_of_areas_hold_the_true_one(count: int, distance: float) -> None:
    draw, true = np.random.default_rng(0), (1 + math.erf(distance / 2)) / 2
    shown = np.arange(count) < count // 5
    found = [area(draw.normal(size=count) + distance * shown, shown).value for _ in range(300)]
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


def test_the_worst_confusions_come_first_with_their_share_of_the_class() -> None:
    first, second, third = nine().confused
    assert (first.shows, first.said, first.count, first.share) == ("c", "b", 2, proportion(2, 2))
    assert (second.shows, second.said, third.shows) == ("b", "a", "a")
    assert nine().as_dict()["confused"][1]["share"]["value"] == pytest.approx(1 / 3)


def test_a_model_that_is_better_than_one_answer_is_not_doubted() -> None:
    targets = np.array([0] * 30 + [1] * 30)
    sure = measure(np.eye(2)[np.where(np.arange(60) % 10, targets, 1 - targets)], targets, ["a", "b"])
    assert sure.baseline is not None and sure.baseline.chance < 0.001
    assert "always saying" not in sure.verdict()
    lazy = measure(np.eye(2)[np.zeros(60, int)], targets, ["a", "b"])
    assert lazy.verdict().endswith("; always saying a (50.0%) is not clearly worse")
