"""Figures for several labels a picture and for numbers, by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lensmith.errors import DataError
from lensmith.evaluation.intervals import bootstrap, proportion
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.multilabel import average_precision, sigmoid
from lensmith.evaluation.report import Report, report_from

# Label a: ranks 1 and 3 of its scores show it. Label b: rank 1. Label c is never shown nor said.
SHOWN = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
LOGITS = np.array([[3.0, -1, -1], [2.0, 2, -2], [1.0, -3, -3]])


def three() -> Report:
    return measure(LOGITS, SHOWN, ["a", "b", "c"], "multilabel")


def test_average_precision_is_that_by_hand() -> None:
    assert average_precision(LOGITS[:, 0], SHOWN[:, 0] > 0) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(LOGITS[:, 1], SHOWN[:, 1] > 0) == 1
    assert math.isnan(average_precision(LOGITS[:, 2], SHOWN[:, 2] > 0))


def test_figures_over_labels_leave_out_those_without_pictures() -> None:
    report = three()
    assert report["mean_ap"].value == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert report["f1"].value == pytest.approx((4 / 5 + 1) / 2)
    assert report["exact_match"] == proportion(2, 3)
    a, b, c = report.per_class
    assert (a.recall, a.precision, a.f1.value) == (proportion(2, 2), proportion(2, 3), pytest.approx(4 / 5))
    assert (b.count, b.average_precision) == (1, 1)
    assert (c.count, c.average_precision, c.f1.why) == (0, None, "neither shown nor said")
    assert report.confusion == []


def numbers() -> Report:
    return measure(np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 3.0, 2.0]), [], "regression")


def test_errors_of_numbers_are_those_by_hand() -> None:
    report = numbers()
    assert report["mae"].value == pytest.approx(1)
    assert report["rmse"].value == pytest.approx(math.sqrt(5 / 3))
    assert report["r2"].value == pytest.approx(1 - 5 / 2)
    assert report.baseline == pytest.approx(2 / 3)
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
    shown[7, 3] = 1  # a label of very few pictures: some draws hold none of it
    report = measure(shown * 2 - 1 + rng.normal(size=(60, 4)), shown, list("abcd"), "multilabel")
    true = rng.normal(size=60)
    others = measure(true + rng.normal(size=60) / 3, true, [], "regression")
    for value in (*report.values.values(), *others.values.values()):
        assert value.low is not None and value.high is not None
        assert value.low <= value.value <= value.high and value.low < value.high


def test_a_resampled_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, held, truth = np.random.default_rng(1), 0, math.sqrt(2 / math.pi)
    for _ in range(60):
        error = np.abs(rng.normal(size=80))
        found = bootstrap(lambda rows, error=error: float(error[rows].mean()), 80, draws=300)
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert 53 <= held < 60


@pytest.mark.parametrize("count", [3, 40])
def test_what_cannot_be_told_is_none_with_a_reason_and_without_a_warning(count: int) -> None:
    """Numbers that are all the same have no spread to explain; labels that nothing shows have no precision."""
    same = measure(np.linspace(0, 1, count), np.full(count, 5.0), [], "regression")
    blank = measure(np.ones((count, 2)), np.zeros((count, 2), np.int64), ["a", "b"], "multilabel")
    for value in (same["r2"], blank["mean_ap"]):
        assert math.isnan(value.value) and (value.low, value.high) == (None, None) and value.why
    assert blank["f1"].value == 0
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
