"""Studies are made in their order until time is over; what is left out is said, and one fault touches no other."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, cast

from lensmith.errors import DataError
from lensmith.studies.schedule import Study, make_studies
from lensmith.studies.subject import Subject
from lensmith.types import Event

NONE = cast(Any, None)
Going = Generator[Event, None, dict[str, Any]]


def quick(subject: Subject) -> Going:
    yield Event("quick", "looking", 1, 2)
    return {"verdict": "all is well"}


def broken(subject: Subject) -> Going:
    yield Event("broken", "looking")
    raise DataError("the pictures are gone")


def endless(subject: Subject) -> Going:
    while True:
        yield Event("endless", "looking")


def too_long(subject: Subject) -> Going:
    subject.require(60, "decoding all")
    yield Event("too long", "looking")
    return {}


def made(studies: dict[str, Study], ends: float | None) -> tuple[Any, list[Event]]:
    events, going = [], make_studies(studies, Subject(NONE, NONE, NONE, NONE, NONE, NONE, ends))
    while True:
        try:
            events.append(next(going))
        except StopIteration as end:
            return end.value, events


def test_each_is_made_and_its_sentence_told() -> None:
    done, events = made({"quick": quick}, None)
    assert done.found == {"quick": {"verdict": "all is well"}}
    assert done.left_out == {}
    assert [event.words for event in events] == ["looking", "all is well"]


def test_one_that_goes_wrong_is_named_with_the_reason_and_the_others_are_made() -> None:
    done, _ = made({"broken": broken, "quick": quick}, None)
    assert done.left_out == {"broken": "the pictures are gone"}
    assert set(done.found) == {"quick"}


def test_time_ends_what_goes_on_and_leaves_out_the_rest() -> None:
    done, _ = made({"quick": quick, "endless": endless, "last": quick}, time.perf_counter() + 0.05)
    assert set(done.found) == {"quick"}
    assert done.left_out["endless"].startswith("not done after 0.")
    assert done.left_out["last"] == "there was no time left"


def test_what_would_take_too_long_is_not_begun() -> None:
    done, _ = made({"too long": too_long, "quick": quick}, time.perf_counter() + 5)
    assert done.left_out == {"too long": "decoding all takes about 60 s"}
    assert set(done.found) == {"quick"}
    assert made({"too long": too_long}, None)[0].left_out == {}
