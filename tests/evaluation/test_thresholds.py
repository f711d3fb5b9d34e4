"""The probability from which on a label is said."""

from __future__ import annotations

import numpy as np
import pytest

from lensmith.errors import DataError
from lensmith.evaluation.metrics import measure
from lensmith.evaluation.report import report_from
from lensmith.evaluation.thresholds import choose_thresholds


def labelled(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Logits that are all too low, so that one half misses most of what is shown."""
    draw = np.random.default_rng(seed)
    shown = (draw.random((count, 3)) < [0.5, 0.3, 0.1]).astype(np.int64)
    return 2.0 * shown - 3 + draw.normal(size=shown.shape), shown


def test_chosen_on_other_pictures_they_find_more_than_one_half() -> None:
    thresholds = choose_thresholds(*labelled(400, 0))
    assert thresholds.dtype == np.float32 and thresholds.shape == (3,)
    assert ((thresholds > 0.05) & (thresholds < 0.4)).all()
    report = measure(*labelled(400, 1), list("abc"), "multilabel", thresholds)
    assert report["f1"].value > report["f1_at_half"].value + 0.1
    assert [one.threshold for one in report.per_class] == thresholds.tolist()
    assert report_from(report.as_dict()).per_class == report.per_class


def test_few_pictures_leave_it_near_one_half_and_none_at_it() -> None:
    logits, shown = np.full((40, 3), -4.0), np.zeros((40, 3), np.int64)
    logits[:2], shown[:2, 1], logits[:20, 2], shown[:20, 2] = -2.0, 1, -2.0, 1
    none, few, many = choose_thresholds(logits, shown)
    assert none == 0.5 and 0.3 < few < 0.4 and 0.1 < many < 0.2


def test_where_one_half_does_as_well_it_stays() -> None:
    logits, shown = np.array([[3.0], [2.0], [-1.0], [-9.0]] * 20), np.array([[1], [1], [0], [0]] * 20)
    assert choose_thresholds(logits, shown).tolist() == [0.5]
    assert choose_thresholds(logits, np.ones_like(shown))[0] < 0.01, "everything shows it: always said"
    huge = choose_thresholds(logits * 1e30, 1 - shown)
    assert ((huge > 0) & (huge < 1)).all()


def test_thresholds_of_other_labels_are_refused() -> None:
    with pytest.raises(DataError, match=r"\[1\] thresholds for 3 labels"):
        measure(*labelled(40, 0), list("abc"), "multilabel", np.array([0.5]))
