"""A parallel plot: an upright axis for each thing that was varied, a line through them for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lensmith.report.markup import Html, tag


@dataclass(frozen=True)
class Line:
    """One trial. places: on each axis, 0 at its foot and 1 at its top; kind: its class in the style sheet."""

    places: Sequence[float]
    kind: str


def draw_parallel(axes: Sequence[tuple[str, str, str]], lines: Sequence[Line], label: str) -> Html:
    """Axes as (name, word at the top, word at the foot), from left to right; of lines the later lie on top. `label`
    says in words what is to be seen."""
    count = len(axes)

    def across(index: int) -> float:
        return 100 * (index + 0.5) / count

    upright = "".join(f"M{across(index):.2f} 0v100" for index in range(count))
    drawn = [
        tag(
            "polyline",
            class_=f"trial {line.kind}",
            points=" ".join(
                f"{across(i):.2f} {100 - 100 * place:.2f}" for i, place in enumerate(line.places)
            ),
        )
        for line in lines
    ]
    drawing = tag(
        "svg",
        tag("path", class_="axis", d=upright),
        *drawn,
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
    )
    tops, feet = ([tag("span", axis[end]) for axis in axes] for end in (1, 2))
    names = [tag("b", axis[0]) for axis in axes]
    # Words are HTML, in columns as wide as those of the drawing.
    columns = f"--axes:{count}"
    rows = [tag("div", *words, class_="words") for words in (names, tops)]
    under = tag("div", *feet, class_="words")
    return tag(
        "figure", *rows, drawing, under, class_="parallel", style=columns, role="img", aria_label=label
    )
