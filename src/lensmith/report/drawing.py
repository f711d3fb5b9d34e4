"""Small drawings as inline SVG. Their words are HTML beside them, which keeps its size on a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lensmith.report.markup import Html, tag


def draw_bar(value: float, low: float, high: float) -> Html:
    """A value and its range on a line from 0 to 1. For eyes only: it repeats numbers."""
    x = min(max(0, 100 * value - 0.7), 98.6)  # so that all of the tick is seen
    shapes = (
        tag("rect", class_="track", y=4, width=100, height=4),
        tag("rect", class_="range", x=f"{100 * low:.1f}", y=2, width=f"{100 * (high - low):.1f}", height=8),
        tag("rect", class_="value", x=f"{x:.1f}", width=1.4, height=12),
    )
    box = {"viewBox": "0 0 100 12", "preserveAspectRatio": "none", "aria_hidden": "true"}
    return tag("svg", *shapes, class_="bar", **box)


def draw_curve(points: Sequence[tuple[float, float]], x_name: str, label: str) -> Html:
    """A line through `(x, y)` points, x rising, with round numbers up its side; `label` says it in words."""
    ticks = round_ticks(min(y for _, y in points), max(y for _, y in points))
    (first, _), (last, _) = points[0], points[-1]
    wide, tall = (last - first) or 1, ticks[-1] - ticks[0]
    placed = [f"{100 * (x - first) / wide:.2f} {100 * (ticks[-1] - y) / tall:.2f}" for x, y in points]
    grid = "".join(f"M0 {100 * i / (len(ticks) - 1):.2f}h100" for i in range(len(ticks)))
    drawing = tag(
        "svg",
        tag("path", class_="grid", d=grid),
        tag("polyline", class_="line", points=" ".join(placed)),
        tag("path", class_="end", d=f"M{placed[-1]}h0"),  # of no length: its round cap is the dot
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )
    y_axis = tag("div", *[tag("span", f"{tick:g}") for tick in reversed(ticks)], class_="y")
    ends = (f"{first:g}", x_name, f"{last:g}") if last > first else (f"{x_name} {first:g}",)
    x_axis = tag("div", *[tag("span", word) for word in ends], class_="x")
    return tag("figure", y_axis, drawing, x_axis, class_="curve", role="img", aria_label=label)


def draw_reliability(bins: Sequence[tuple[float, float, float, float]], label: str) -> Html:
    """Points `(stated, true, low, high)`, each from 0 to 1, beside the line on which they would lie, were what is
    stated always so; `label` says it in words."""
    ranges = "".join(
        f"M{100 * x:.2f} {100 - 100 * high:.2f}V{100 - 100 * low:.2f}" for x, _, low, high in bins
    )
    dots = "".join(f"M{100 * x:.2f} {100 - 100 * y:.2f}h0" for x, y, _, _ in bins)
    drawing = tag(
        "svg",
        tag("path", class_="grid", d="M0 0h100M0 25h100M0 50h100M0 75h100M0 100h100"),
        tag("path", class_="same", d="M0 100L100 0"),
        tag("path", class_="spread", d=ranges),
        tag("path", class_="end", d=dots),  # of no length: their round caps are the dots
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )
    y_axis = tag("div", *[tag("span", f"{tick}%") for tick in (100, 75, 50, 25, 0)], class_="y")
    x_axis = tag("div", *[tag("span", word) for word in ("0%", "stated", "100%")], class_="x")
    return tag("figure", y_axis, drawing, x_axis, class_="curve square", role="img", aria_label=label)


def draw_points(points: Sequence[tuple[float, float]], x_name: str, label: str) -> Html:
    """Dots at `(x, y)` in a square whose sides have one scale, with the line on which both are the same; `label` says
    it in words."""
    ticks = round_ticks(min(map(min, points)), max(map(max, points)))
    wide = ticks[-1] - ticks[0]
    placed = [(100 * (x - ticks[0]) / wide, 100 * (ticks[-1] - y) / wide) for x, y in points]
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in placed)  # of no length: their round caps are the dots
    grid = "".join(f"M0 {100 * i / (len(ticks) - 1):.2f}h100" for i in range(len(ticks)))
    drawing = tag(
        "svg",
        tag("path", class_="grid", d=grid),
        tag("path", class_="same", d="M0 100L100 0"),
        tag("path", class_="dots", d=dots),
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )
    y_axis = tag("div", *[tag("span", f"{tick:g}") for tick in reversed(ticks)], class_="y")
    x_axis = tag(
        "div", *[tag("span", word) for word in (f"{ticks[0]:g}", x_name, f"{ticks[-1]:g}")], class_="x"
    )
    return tag("figure", y_axis, drawing, x_axis, class_="curve square", role="img", aria_label=label)


def round_ticks(low: float, high: float) -> list[float]:
    """Two to six evenly spaced round numbers, from `low` or less to `high` or more."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * times for times in (1, 2, 5, 10) if power * times * 4 >= span * 0.999)
    first = math.floor(low / step)
    return [step * i for i in range(first, max(math.ceil(high / step), first + 1) + 1)]
