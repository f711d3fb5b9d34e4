"""Does what came out hold up what was claimed? The rules, which docs/reproduce.md gives in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lensmith.repositories.metrics import metric_called
from lensmith.reproduction.claims import Claimed
from lensmith.reproduction.figures import Figure

Word = Literal["reproduced", "within noise", "not reproduced", "not compared", "could not run"]
NARROW = 0.02
"""The widest interval in which agreement tells something: 2 points."""
TOLERANCE = 0.005
"""Points that two figures of an unknown number of pictures may lie apart: 0.5. A rule of thumb."""
RELATIVE = 0.01
"""The same for figures that are no shares, such as PSNR, as a part of the claim."""
FINE = 0.0005 + 1e-9
"""Half of 0.1 points: figures given to that are equal by more than chance if their digits are."""
_STEP = 1e-9


@dataclass(frozen=True)
class Ended:
    """How a program ended. code: its exit code, None where it has none; cut: the limit that ended it, or "";
    seconds: how long it took; tail: its last words."""

    code: int | None
    cut: str
    seconds: float
    tail: str = ""

    @property
    def went_well(self) -> bool:
        """Whether it ran to its end and was content."""
        return self.code == 0 and not self.cut


@dataclass(frozen=True)
class Verdict:
    """What became of a claim. low, high: the 95 % interval of the figure by the pictures alone."""

    word: Word
    reason: str
    claimed: Claimed | None = None
    figure: Figure | None = None
    count: int | None = None
    count_from: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the claim stands."""
        return self.word in ("reproduced", "within noise")

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        nested = {"claimed": self.claimed, "figure": self.figure}
        plain = {name: value for name, value in vars(self).items() if name not in nested}
        return plain | {name: one.as_dict() if one else None for name, one in nested.items()}


def judge(claimed: Claimed | None, figures: Sequence[Figure], ended: Ended) -> Verdict:
    """The verdict on a claim by what a program printed, and how it ended."""
    figure = _figure_for(claimed, figures)
    if not ended.went_well:
        said = f"; the last {shown_figure(figure)}" if figure else ""
        return Verdict("could not run", f"{_end_in_words(ended)}{said}", claimed, figure)
    if claimed is None:
        found = f"it printed {shown_figure(figure)}" if figure else "no figure was found in its output"
        return Verdict("not compared", f"nothing is claimed to compare with; {found}", None, figure)
    if figure is None:
        words = f"it ran to its end, and no {claimed.metric} of test pictures was found in its output"
        return Verdict("not compared", words, claimed)
    return compare(claimed, figure)


def compare(claimed: Claimed, figure: Figure) -> Verdict:
    """The verdict on a claim by a figure of a run that went well."""
    count, source = _count(claimed, figure)
    low, high = _interval(figure.value, count) if count else (None, None)
    apart = abs(figure.value - claimed.value)
    rounding = claimed.half + figure.half + _STEP
    word, reason = _word(claimed, figure, count, (low, high))
    side = (
        ""
        if apart <= rounding
        else f" {_points(apart, claimed)} {'above' if figure.value > claimed.value else 'below'} the claim"
    )
    told = f"{shown_figure(figure)}{side}; {reason}"
    if figure.is_best:
        told += "; the line calls it the best of several, so it was chosen on the pictures that it is about"
    return Verdict(word, told, claimed, figure, count, source, low, high)


def _word(
    claimed: Claimed, figure: Figure, count: int | None, between: tuple[float | None, float | None]
) -> tuple[Word, str]:
    apart, rounding = abs(figure.value - claimed.value), claimed.half + figure.half + _STEP
    low, high = between
    unit = 1.0 if claimed.scale != "number" else abs(claimed.value)
    if apart <= rounding and rounding <= 2 * FINE * unit:
        around = "" if low is None or high is None else f"; its interval is {low:.2%} to {high:.2%}"
        return "reproduced", f"the same number, to the digits given{around}"
    if count is None or claimed.scale != "pictures":
        allowed = TOLERANCE if claimed.scale != "number" else RELATIVE * unit
        words = f"{_points(allowed, claimed)} either way (a rule of thumb, {_why_no_interval(claimed)})"
        return (
            ("within noise", f"within {words}")
            if apart <= allowed + rounding
            else ("not reproduced", f"more than {words}")
        )
    assert low is not None and high is not None
    words = f"{low:.2%} to {high:.2%} on {count:,} pictures"
    if low - rounding <= claimed.value <= high + rounding:
        ends = _interval(claimed.value, count)
        if ends[1] - ends[0] <= NARROW:
            return "reproduced", f"the claim lies within its interval, {words}"
        return "within noise", f"the claim lies within its interval, {words}, which is too wide to tell much"
    if _differ_by_chance(claimed.value, figure.value, count, rounding):
        return (
            "within noise",
            f"outside of its interval, {words}, but two measurements may differ so by chance",
        )
    return (
        "not reproduced",
        f"outside of its interval, {words}, and by more than two measurements differ by chance",
    )


def _figure_for(claimed: Claimed | None, figures: Sequence[Figure]) -> Figure | None:
    """The figure to hold against a claim; never one of training pictures."""
    fitting = [
        one for one in figures if one.split != "train" and (not claimed or one.metric == claimed.metric)
    ]
    return fitting[0] if fitting else None


def _count(claimed: Claimed, figure: Figure) -> tuple[int | None, str]:
    """Pictures behind the figure, and how that is known: given, in its line, or by the name of the data."""
    if claimed.scale != "pictures":
        return None, ""
    if claimed.count_from == "given":
        return claimed.count, "given"
    if figure.count:
        return figure.count, "in the line"
    if claimed.count and _is_possible(figure, claimed.count):
        return claimed.count, claimed.count_from
    return None, ""


def _is_possible(figure: Figure, count: int) -> bool:
    """Whether a figure can be a share of so many pictures, by its digits."""
    return abs(round(figure.value * count) / count - figure.value) <= figure.half + _STEP


def _interval(value: float, count: int) -> tuple[float, float]:
    from lensmith.evaluation.intervals import proportion  # needs numpy

    share = proportion(round(value * count), count)
    assert share.low is not None and share.high is not None
    return share.low, share.high


def _differ_by_chance(claimed: float, found: float, count: int, rounding: float) -> bool:
    """Whether the 95 % interval of the difference of two shares holds 0 (R. G. Newcombe, Statistics in Medicine 17
    (1998), p. 873, method 10): two trainings, measured on as many pictures each."""
    one, other = _interval(claimed, count), _interval(found, count)
    if found < claimed:
        reach = math.hypot(other[1] - found, claimed - one[0])
    else:
        reach = math.hypot(found - other[0], one[1] - claimed)
    return abs(found - claimed) <= reach + rounding


def shown_figure(figure: Figure) -> str:
    """`accuracy 93.02 % (test)`."""
    split = f" ({figure.split})" if figure.split else ""
    return f"{figure.metric} {shown_value(figure.value, figure.metric)}{split}"


def shown_value(value: float, metric: str) -> str:
    """A share as per cent."""
    known = metric_called(metric)
    return f"{value:.2%}" if known and known.scale != "number" else f"{value:g}"


def _points(apart: float, claimed: Claimed) -> str:
    return f"{apart:.3g}" if claimed.scale == "number" else f"{100 * apart:.3g} points"


def _why_no_interval(claimed: Claimed) -> str:
    if claimed.scale != "pictures":
        return f"since {claimed.metric} is no share of pictures"
    return f"since the number of test pictures is not known; --claim {claimed.metric}=...@10000 tells it"


def _end_in_words(ended: Ended) -> str:
    if ended.cut:
        return f"cut off by the {ended.cut} limit after {shown_time(ended.seconds)}"
    if ended.code is None:
        return f"it could not be started, or was ended from outside after {shown_time(ended.seconds)}"
    if ended.code < 0:
        return f"it was ended by signal {-ended.code} after {shown_time(ended.seconds)}"
    return f"it ended with exit code {ended.code} after {shown_time(ended.seconds)}"


def shown_time(seconds: float) -> str:
    """`0.8 s`, `42 s`, `12 min 30 s`, `2 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
