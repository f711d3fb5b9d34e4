"""Small drawings as inline SVG. Their text is HTML beside them, so that it keeps its size on a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lensmith.report.markup import Html, tag


def draw_bar(low: float, high: float, value: float | None = None, mark: float | None = None) -> Html:
    """A range on a line from 0 to 1, with a tick at `value` and a thin line at `mark`.

    It only repeats numbers that stand beside it, so screen readers pass over it.
    """
    shapes = [
        tag("rect", class_="track", y=4, width=100, height=4),
        tag("rect", class_="range", x=_percent(low), y=2, width=_percent(max(high - low, 0.005)), height=8),
    ]
    if mark is not None:
        shapes.append(tag("rect", class_="mark", x=_percent(mark - 0.004), width=0.8, height=12))
    if value is not None:
        shapes.append(tag("rect", class_="value", x=_percent(min(value, 0.98)), width=2, height=12))
    return tag(
        "svg", *shapes, class_="bar", viewBox="0 0 100 12", preserveAspectRatio="none", aria_hidden="true"
    )


def draw_curve(points: Sequence[tuple[float, float]], x_name: str, label: str) -> Html:
    """A line through `(x, y)` points, x rising, with round numbers on the y axis; `label` says it in words."""
    ticks = round_ticks(min(y for _, y in points), max(y for _, y in points))
    first, last = points[0][0], points[-1][0]
    placed = [
        (100 * (x - first) / ((last - first) or 1), 100 * (ticks[-1] - y) / (ticks[-1] - ticks[0]))
        for x, y in points
    ]
    grid = "".join(f"M0 {100 * i / (len(ticks) - 1):.2f}h100" for i in range(len(ticks)))
    end = f"M{placed[-1][0]:.2f} {placed[-1][1]:.2f}h0"  # of no length: its round cap is the dot
    picture = tag(
        "svg",
        tag("path", class_="grid", d=grid),
        tag("polyline", class_="line", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in placed)),
        tag("path", class_="end", d=end),
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )
    y_axis = tag("div", *[tag("span", f"{tick:g}") for tick in reversed(ticks)], class_="y")
    ends = [f"{first:g}", x_name, f"{last:g}"] if last > first else [f"{x_name} {first:g}"]
    x_axis = tag("div", *[tag("span", word) for word in ends], class_="x")
    return tag("figure", y_axis, picture, x_axis, class_="curve", role="img", aria_label=label)


def round_ticks(low: float, high: float) -> list[float]:
    """Two to six evenly spaced round numbers from at most `low` to at least `high`."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * times for times in (1, 2, 5, 10) if power * times * 4 >= span * 0.999)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [number * step for number in range(first, last + 1)]


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
