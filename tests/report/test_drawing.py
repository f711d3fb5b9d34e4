"""The curve and the bars."""

from __future__ import annotations

import re

import pytest

from lensmith.report.drawing import draw_bar, draw_curve, round_ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.518, 2.06, [0.5, 1, 1.5, 2, 2.5]),
        (0.0, 1.0, [0, 0.5, 1]),
        (3.0, 3.0, [3, 4]),
        (0.0, 0.0, [0, 0.5]),
        (-2.0, -1.0, [-2, -1.5, -1]),
        (1e-7, 3e-7, [1e-7, 1.5e-7, 2e-7, 2.5e-7, 3e-7]),
        (0.1, 5e4, [0, 20000, 40000, 60000]),
    ],
)
def test_ticks_are_round_and_hold_the_values(low: float, high: float, ticks: list[float]) -> None:
    found = round_ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 6
    assert found == pytest.approx(ticks)


def corners(drawing: str) -> list[list[float]]:
    (points,) = re.findall(r'points="([^"]*)"', drawing)
    return [[float(part) for part in point.split()] for point in re.findall(r"\S+ \S+", points)]


def test_a_curve_goes_from_left_to_right_and_stays_inside() -> None:
    drawing = draw_curve([(1, 2.0), (2, 1.0), (5, 0.5)], "epoch", "a < b")
    assert [x for x, _ in corners(drawing)] == [0, 25, 100]
    heights = [y for _, y in corners(drawing)]
    assert heights == sorted(heights)
    assert 0 <= heights[0] <= heights[-1] <= 100
    assert "<span>1</span><span>epoch</span><span>5</span>" in drawing
    assert 'aria-label="a &lt; b"' in drawing


def test_one_epoch_is_a_dot() -> None:
    drawing = draw_curve([(1, 0.7)], "epoch", "")
    assert len(corners(drawing)) == 1
    assert "<span>epoch 1</span>" in drawing


@pytest.mark.parametrize(("value", "low", "high"), [(0, 0, 1), (1, 0, 1), (1, 0.9036, 1), (0.3, 0.2, 0.4)])
def test_a_bar_stays_inside(value: float, low: float, high: float) -> None:
    for x, width in re.findall(r'x="([\d.]+)"[^>]* width="([\d.]+)"', draw_bar(value, low, high)):
        assert 0 <= float(x) <= float(x) + float(width) <= 100.05
