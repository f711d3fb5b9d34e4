"""A picture far from all training pictures is told, and one like them seldom is."""

from __future__ import annotations

import numpy as np
import pytest

from lensmith.features.neighbours import FEWEST, MARKED, choose_rows, directions, find_neighbours

DRAW = np.random.default_rng(0)


def cloud(count: int, centre: int) -> np.ndarray:
    """Positive features, as after an activation, that are high in one place."""
    features = DRAW.gamma(1.0, 1.0, (count, 64)).astype(np.float32)
    features[:, centre * 8 : centre * 8 + 8] += 8
    return features


def test_what_is_unlike_is_marked_and_its_like_hardly_ever() -> None:
    kept, unseen = (np.concatenate([cloud(200, 0), cloud(200, 1)]) for _ in range(2))
    for found in (find_neighbours(kept), find_neighbours(kept, unseen)):
        assert found is not None
        alike, strange = np.concatenate([cloud(2000, 0), cloud(2000, 1)]), cloud(500, 5)
        assert found.are_unlike(found.distances(alike)).mean() < 4 * MARKED
        assert found.are_unlike(found.distances(strange)).mean() > 0.95


def test_what_is_no_number_is_unlike_anything() -> None:
    found = find_neighbours(cloud(100, 0))
    assert found is not None
    strange = np.full((1, 64), np.nan, np.float32)
    assert found.are_unlike(found.distances(strange)).tolist() == [True]


def test_of_a_handful_nothing_is_kept() -> None:
    assert find_neighbours(cloud(FEWEST - 1, 0)) is None
    assert find_neighbours(cloud(100, 0), cloud(FEWEST - 1, 0)) is None
    broken = cloud(100, 0)
    broken[3, 3] = np.inf
    assert find_neighbours(broken) is None


def test_each_class_gives_as_many_as_it_has() -> None:
    targets = np.array([0] * 90 + [1] * 10)
    rows = choose_rows(targets, 30, seed=1)
    assert np.bincount(targets[rows]).tolist() == [20, 10]
    assert (choose_rows(targets, 30, seed=1) == rows).all()
    assert len(choose_rows(np.linspace(0, 1, 40), 30, seed=0)) == 30


def test_no_single_feature_decides() -> None:
    assert np.linalg.norm(directions(cloud(5, 2)), axis=1) == pytest.approx(1, abs=1e-5)
    assert (directions(np.zeros((2, 4), np.float32)) == 0).all()
