"""The number that is to be reproduced: of those a README claims, or as it is given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lensmith.errors import UsageError
from lensmith.repositories.metrics import Metric, Scale, known_test_set, metric_called, metrics
from lensmith.repositories.reading import Claim

_FORM = "Write it as --claim accuracy=0.948, accuracy=94.8%, error=5.2%, or accuracy=94.8%@10000 with the pictures."
_GIVEN = re.compile(
    r"(?:(?P<name>[^=]+)=)?\s*(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<percent>%)?\s*(?:@\s*(?P<count>[\d,_]+))?"
)


@dataclass(frozen=True)
class Claimed:
    """A number that somebody claims. value: 0 to 1 for shares, an error rate turned into an accuracy; half: half a
    unit of its last digit; count: pictures that it was measured on, where known, and why that is known."""

    metric: str
    scale: Scale
    value: float
    half: float
    count: int | None
    count_from: str
    place: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def given_claim(text: str) -> Claimed:
    """A claim as it is typed: `accuracy=0.948`, `94.8%`, `error=5.2%`, `top1=76.1`, `accuracy=94.8%@10000`.

    Raises `UsageError` for anything else.
    """
    match = _GIVEN.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--claim {text} is no number to compare with", hint=_FORM)
    name = (match["name"] or "accuracy").strip()
    metric = metric_called(name)
    if metric is None:
        known = ", ".join(dict.fromkeys(one.name for one in metrics().values()))
        raise UsageError(
            f"--claim {text}: no metric is called '{name}'", hint=f"Known are {known} and error."
        )
    if match["number"] in ("0", "1") and metric.scale != "number" and not match["percent"]:
        raise UsageError(
            f"--claim {text} may mean 1 % or all", hint=f"Write {name}={match['number']}%, or 1.0."
        )
    value, half = _scaled(metric, match["number"], bool(match["percent"]))
    if metric.scale != "number" and not 0 <= value <= 1:
        raise UsageError(f"--claim {text}: a share lies between 0 and 1, or 0 % and 100 %", hint=_FORM)
    count = int(re.sub(r"\D", "", match["count"])) if match["count"] else None
    if count == 0:
        raise UsageError(f"--claim {text}: no pictures", hint=_FORM)
    return Claimed(metric.name, metric.scale, value, half, count, "given" if count else "", "--claim", text)


def claimed_in(claim: Claim) -> Claimed | None:
    """A claim of a README, with the precision in which it is written; None where its metric is not known."""
    metric = metric_called(claim.metric)
    if metric is None:
        return None
    value = 1 - claim.value if metric.complement else claim.value
    half = _half_as_written(claim.value, claim.text, metric)
    named = known_test_set(claim.text)
    size, name = (named[1], f"the size of {named[0]}'s test set") if named else (None, "")
    return Claimed(metric.name, metric.scale, value, half, size, name, claim.place, claim.text)


def choose_claims(found: Sequence[Claimed], chosen: str | None, command: str) -> list[Claimed]:
    """The claims to compare with, the first choice first: the one given, or the one chosen by its place
    (`README.md:12`) or metric; else all, those whose lines share most words with the command before the others.

    Raises `UsageError` where what was chosen is not there.
    """
    if chosen is None:
        return sorted(found, key=lambda one: -len(_words(one.text) & _words(command)))
    by_place = [one for one in found if one.place == chosen]
    metric = metric_called(chosen)
    matching = by_place or [one for one in found if metric and one.metric == metric.name]
    if matching:
        return matching[:1]
    if metric or re.fullmatch(r".+:\d+", chosen):
        places = ", ".join(f"{one.metric} at {one.place}" for one in found) or "nothing"
        raise UsageError(f"--claim {chosen}: no such claim was found", hint=f"Found: {places}. {_FORM}")
    return [given_claim(chosen)]


def _scaled(metric: Metric, number: str, percent: bool) -> tuple[float, float]:
    value, half = float(number), 0.5 * 10.0 ** -len(number.partition(".")[2])
    if metric.scale == "number":
        return value, half
    if percent or value > 1:
        value, half = value / 100, half / 100
    return (1 - value if metric.complement else value), half


def _half_as_written(value: float, text: str, metric: Metric) -> float:
    """Half a unit of the last digit of `value` where it stands in the text, as a share or as per cent."""
    for number in re.findall(r"\d+\.\d+|\d+|\.\d+", text):
        half = 0.5 * 10.0 ** -len(number.partition(".")[2])
        if abs(float(number) - value) < 1e-9:
            return half
        if metric.scale != "number" and abs(float(number) / 100 - value) < 1e-9:
            return half / 100
    return 0.0


def _words(text: str) -> set[str]:
    """Words that tell one setting from another: names of networks and data, not options."""
    return {word for word in re.findall(r"[a-z]+\d*|\d{2,}", text.lower().replace("-", "")) if len(word) > 2}
