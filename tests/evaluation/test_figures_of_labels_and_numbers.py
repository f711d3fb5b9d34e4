"""Figures for several labels a picture and for numbers, by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from lensmith.errors import DataError
from lensmith.evaluation.intervals import proportion
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.multilabel import mean_f1, sigmoid
from lensmith.evaluation.precision import Precision, average_precision, mean_precision
from lensmith.evaluation.ranking import rank
from lensmith.evaluation.report import Report, report_from

# Label a: ranks 1 and 3 of its scores show it. Label b: rank 1. Label c is never shown nor said.
SHOWN = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
LOGITS = np.array([[3.0, -1, -1], [2.0, 2, -2], [1.0, -3, -3]])


def three() -> Report:
    return measure(LOGITS, SHOWN, ["a", "b", "c"], "multilabel")


def precision(scores: Any, shown: Any) -> Precision:
    found = average_precision(rank(scores, np.asarray(shown) > 0))
    assert found is not None
    return found


def test_average_precision_is_that_by_hand() -> None:
    assert precision(LOGITS[:, 0], SHOWN[:, 0]).value.value == pytest.approx((1 + 2 / 3) / 2)
    assert precision(LOGITS[:, 1], SHOWN[:, 1]).value.value == 1
    assert average_precision(rank(LOGITS[:, 2], SHOWN[:, 2] > 0)) is None


def test_pictures_of_one_score_count_together_whatever_their_order() -> None:
    shown = np.arange(40) < 10
    assert precision(np.zeros(40), shown).value.value == pytest.approx(0.25)
    scores, order = np.repeat(np.arange(8.0), 5), np.random.default_rng(0).permutation(40)
    one, other = precision(scores, shown).value, precision(scores[order], shown[order]).value
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def test_what_a_picture_adds_is_what_is_lost_without_it() -> None:
    """The jackknife in closed form against leaving each picture out, with scores that several pictures share."""
    draw = np.random.default_rng(0)
    shown, scores = draw.random(60) < 0.4, np.round(draw.normal(size=60), 1)
    found = precision(scores, shown)
    without = [precision(np.delete(scores, i), np.delete(shown, i)).value.value for i in range(60)]
    assert found.parts == pytest.approx(59 * (np.mean(without) - without))


@pytest.mark.parametrize("count", [50, 153, 1000])
@pytest.mark.parametrize("distance", [0.8, 1.8, 2.6])
def test_intervals_of_precision_hold_the_true_one(count: int, distance: float) -> None:
    """The truth by the areas under two normal curves, a distance apart; four pictures in ten show the label."""
    cuts = np.linspace(-8, 12, 4001)
    above = [np.array([math.erfc((cut - d) / math.sqrt(2)) / 2 for cut in cuts]) for d in (0.0, distance)]
    precisions = 0.4 * above[1] / (0.4 * above[1] + 0.6 * above[0])
    true = float((-np.diff(above[1]) * (precisions[1:] + precisions[:-1]) / 2).sum())
    draw, held, means = np.random.default_rng(0), [], []
    for _ in range(150 if count < 1000 else 60):
        shown = draw.random((count, 3)) < 0.4
        scores = draw.normal(size=(count, 3)) + distance * shown
        each = [precision(scores[:, i], shown[:, i]) for i in range(3)]
        held += [(e.value.low or 0) <= true <= (e.value.high or 1) for e in each if e.value.low is not None]
        means.append(mean_precision(each, count))
    assert np.mean(held) > 0.91
    known = [one for one in means if one.low is not None]
    assert len(known) > len(means) / 2 and np.mean([one.low <= true <= one.high for one in known]) > 0.88  # type: ignore[operator]


def test_a_label_of_few_pictures_takes_the_interval_from_its_figure_and_from_the_mean() -> None:
    shown = np.zeros((80, 2), int)
    shown[:20, 0], shown[:9, 1] = 1, 1
    report = measure(np.random.default_rng(0).normal(size=(80, 2)) + shown, shown, ["a", "b"], "multilabel")
    often, seldom = report.per_class
    assert often.average_precision is not None and often.average_precision.low is not None
    assert seldom.average_precision is not None and "fewer than 10" in seldom.average_precision.why
    assert report["mean_ap"].low is None and "fewer than 10" in report["mean_ap"].why
    always = precision(np.arange(40.0), np.ones(40)).value
    assert (always.value, always.low, always.why) == (1, None, "all pictures show it")


def test_figures_over_labels_leave_out_those_without_pictures() -> None:
    report = three()
    assert report["mean_ap"].value == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert report["f1"].value == pytest.approx((4 / 5 + 1) / 2)
    assert report["exact_match"] == proportion(2, 3)
    a, b, c = report.per_class
    assert (a.recall, a.precision, a.f1.value) == (proportion(2, 2), proportion(2, 3), pytest.approx(4 / 5))
    assert b.count == 1 and b.average_precision is not None and b.average_precision.value == 1
    assert (c.count, c.average_precision, c.f1.why) == (0, None, "neither shown nor said")
    assert report.confusion == []


def numbers() -> Report:
    return measure(np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 3.0, 2.0]), [], "regression")


def test_errors_of_numbers_are_those_by_hand() -> None:
    report = numbers()
    assert report["mae"].value == pytest.approx(1)
    assert report["rmse"].value == pytest.approx(math.sqrt(5 / 3))
    assert report["r2"].value == pytest.approx(1 - 5 / 2)
    assert report.baseline is not None and report.baseline.answer == "2"
    assert report.baseline.value.value == pytest.approx(2 / 3)
    assert report["mae"].low is None and "fewer than" in report["mae"].why


@pytest.mark.parametrize("report", [three(), numbers()], ids=["labels", "numbers"])
def test_reports_of_other_tasks_come_back_from_json(report: Report) -> None:
    text = json.dumps(report.as_dict(), allow_nan=False)
    back = report_from(json.loads(text))
    assert json.dumps(back.as_dict(), allow_nan=False) == text
    assert back.task == report.task and back.verdict() == report.verdict()
    assert "nan" not in str(report) + report._repr_html_()


def test_verdicts_say_what_is_measured() -> None:
    assert three().verdict() == "mean average precision 0.917 on 3 pictures"
    assert numbers().verdict().startswith("off by 1.000 on average over 3 pictures")


def test_intervals_of_many_pictures_hold_their_figure() -> None:
    rng = np.random.default_rng(0)
    shown = (rng.random((60, 4)) < [0.5, 0.3, 0.2, 0.02]).astype(np.int64)
    shown[7:17, 3] = 1
    report = measure(shown * 2 - 1 + rng.normal(size=(60, 4)), shown, list("abcd"), "multilabel")
    true = rng.normal(size=60)
    others = measure(true + rng.normal(size=60) / 3, true, [], "regression")
    for value in (*report.values.values(), *others.values.values()):
        assert value.low is not None and value.high is not None
        assert value.low <= value.value <= value.high and value.low < value.high


@pytest.mark.parametrize(("count", "draws"), [(50, 300), (153, 200), (1000, 60)])
@pytest.mark.parametrize("told", [0.5, 0.95])
def test_intervals_of_numbers_hold_the_true_figures(count: int, draws: int, told: float) -> None:
    draw, held = np.random.default_rng(0), []
    size = math.sqrt(1 - told)
    truths = {"mae": size * math.sqrt(2 / math.pi), "rmse": size, "r2": told}
    for _ in range(draws):
        error = size * draw.normal(size=count)
        true = math.sqrt(told) * draw.normal(size=count) + error
        report = measure(true - error, true, [], "regression")
        held.append([(report[name].low or 0) <= truths[name] <= (report[name].high or 0) for name in truths])
    assert (np.mean(held, axis=0) > 0.9).all()


def test_the_mean_f1_holds_the_true_one_though_labels_come_together() -> None:
    """Two labels that are always the same tell no more than one."""
    draw, held = np.random.default_rng(0), []
    for _ in range(300):
        shown = draw.random(100) < 0.3
        said = np.where(draw.random(100) < 0.8, shown, ~shown)
        true = 2 * 0.24 / (0.3 + 0.24 + 0.14)
        value = mean_f1(np.stack([shown] * 2, 1), np.stack([said] * 2, 1))
        held.append((value.low or 0) <= true <= (value.high or 0))
    assert 0.92 < np.mean(held) < 0.985


@pytest.mark.parametrize("count", [3, 40])
def test_what_cannot_be_told_is_none_with_a_reason_and_without_a_warning(count: int) -> None:
    """Numbers that are all the same have no spread to explain; labels that nothing shows have no precision."""
    same = measure(np.linspace(0, 1, count), np.full(count, 5.0), [], "regression")
    blank = measure(np.ones((count, 2)), np.zeros((count, 2), np.int64), ["a", "b"], "multilabel")
    for value in (same["r2"], blank["mean_ap"]):
        assert math.isnan(value.value) and (value.low, value.high) == (None, None) and value.why
    assert blank["f1"].value == 0 and blank["f1"].high is not None if count == 40 else True
    for report in (same, blank):
        json.dumps(report.as_dict(), allow_nan=False)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_outputs_that_are_no_numbers_are_refused(task: str) -> None:
    bad = LOGITS.copy()
    bad[1, 0] = math.nan
    with pytest.raises(DataError, match="1 of 3 pictures are not finite"):
        measure(bad, SHOWN, ["a", "b", "c"], task)  # type: ignore[arg-type]


def test_sigmoid_of_large_numbers() -> None:
    assert sigmoid(np.array([-1e30, 0.0, 1e30])).tolist() == [0, 0.5, 1]
    assert sigmoid(np.array([2.0]), 2.0)[0] == pytest.approx(1 / (1 + math.exp(-1)))
