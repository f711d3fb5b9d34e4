"""The nearest rows by angle."""

from __future__ import annotations

import numpy as np
import pytest

from lensmith.features import similar
from lensmith.features.similar import nearest


def test_the_nearest_by_angle_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    known, asked = (draw.normal(size=(count, 6)).astype(np.float32) for count in (50, 17))
    cosines = (asked @ known.T) / np.outer(np.linalg.norm(asked, axis=1), np.linalg.norm(known, axis=1))
    rows, found = nearest(asked * 7, known, 4)
    assert (rows == np.argsort(-cosines, axis=1)[:, :4]).all()
    assert found == pytest.approx(-np.sort(-cosines, axis=1)[:, :4], abs=1e-6)
    monkeypatch.setattr(similar, "_AT_ONCE", 120)  # two asked rows at once
    again, _ = nearest(asked, known, 4)
    assert (again == rows).all()


def test_of_few_all_are_given_and_equal_ones_in_their_order() -> None:
    known = np.array([[1, 0], [0, 1], [2, 0]], np.float32)
    rows, cosines = nearest(np.array([[3, 0], [0, 0]], np.float32), known, 10)
    assert rows.tolist() == [[0, 2, 1], [0, 1, 2]]
    assert cosines[0].tolist() == [1, 1, 0] and np.isfinite(cosines).all()
