"""A curve with the range around each of its points, and beyond it what is only promised."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lensmith.report.drawing import round_ticks
from lensmith.report.markup import Html, tag

Point = tuple[float, float, float, float]
"""x above 0, y, and the ends of its range."""


def draw_band(points: Sequence[Point], promised: Sequence[Point], x_name: str, label: str) -> Html:
    """Points on an axis where each doubling of x is as wide, x rising; `promised` go on from them, dashed, each with
    its range as an upright line. `label` says it in words."""
    every = [*points, *promised]
    ticks = round_ticks(min(low for _, _, low, _ in every), max(high for _, _, _, high in every))
    first, last = math.log(every[0][0]), math.log(every[-1][0])
    tall, wide = ticks[-1] - ticks[0], (last - first) or 1

    def place(x: float, y: float) -> str:
        return f"{100 * (math.log(x) - first) / wide:.2f} {100 * (ticks[-1] - y) / tall:.2f}"

    around = [place(x, high) for x, _, _, high in points] + [
        place(x, low) for x, _, low, _ in reversed(points)
    ]
    beyond = [place(x, y) for x, y, _, _ in (points[-1], *promised)]
    ranges = "".join(f"M{place(x, low)}L{place(x, high)}" for x, _, low, high in promised)
    dots = "".join(f"M{place(x, y)}h0" for x, y, _, _ in every)  # of no length: round caps are the dots
    grid = "".join(f"M0 {100 * i / (len(ticks) - 1):.2f}h100" for i in range(len(ticks)))
    drawing = tag(
        "svg",
        tag("path", class_="grid", d=grid),
        tag("polygon", class_="band", points=" ".join(around)),
        tag("path", class_="whisker", d=ranges),
        tag("polyline", class_="line promised", points=" ".join(beyond)),
        tag("polyline", class_="line", points=" ".join(place(x, y) for x, y, _, _ in points)),
        tag("path", class_="dots", d=dots),
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )
    y_axis = tag("div", *[tag("span", f"{tick:g}") for tick in reversed(ticks)], class_="y")
    ends = (f"{every[0][0]:,.0f}", x_name, f"{every[-1][0]:,.0f}")
    x_axis = tag("div", *[tag("span", word) for word in ends], class_="x")
    return tag("figure", y_axis, drawing, x_axis, class_="curve", role="img", aria_label=label)
