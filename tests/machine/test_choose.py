"""Choosing by timing."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lensmith.machine.choose import choose


def takes(seconds: float, calls: list[str], name: str) -> Callable[[], None]:
    def work() -> None:
        calls.append(name)
        time.sleep(seconds)

    return work


def test_the_fastest_wins_and_says_why() -> None:
    calls: list[str] = []
    choice = choose({"slow": takes(0.02, calls, "slow"), "fast": takes(0.002, calls, "fast")}, 0.3)
    assert choice.name == "fast"
    assert 0.002 <= choice.timings["fast"] < 0.015 < choice.timings["slow"] < 0.1
    assert "times as fast as slow" in choice.reason
    assert "rounds" in choice.reason


def test_rounds_are_interleaved_and_fair() -> None:
    calls: list[str] = []
    choose({name: takes(0.001, calls, name) for name in "abc"}, 0.1)
    rounds = ["".join(calls[start : start + 3]) for start in range(0, len(calls), 3)]
    assert len(rounds) > 4
    assert all(sorted(one) == list("abc") for one in rounds)
    assert len(set(rounds)) == 3, "each is first in turn"


def test_a_slow_first_call_does_not_count() -> None:
    cold: set[str] = set()

    def compiles() -> None:
        if not cold:
            cold.add("done")
            time.sleep(0.2)

    choice = choose({"compiled": compiles, "plain": lambda: time.sleep(0.005)}, 0.5)
    assert choice.name == "compiled"


def test_one_slow_moment_does_not_decide() -> None:
    calls: list[str] = []

    def hiccups() -> None:
        calls.append("x")
        time.sleep(0.1 if len(calls) == 3 else 0.001)

    assert choose({"steady": lambda: time.sleep(0.01), "hiccups": hiccups}, 0.4).name == "hiccups"


def test_the_time_is_kept() -> None:
    calls: list[str] = []
    start = time.perf_counter()
    choose({name: takes(0.01, calls, name) for name in "ab"}, 0.3)
    assert 0.15 < time.perf_counter() - start < 0.5


def test_every_candidate_is_timed_even_in_no_time() -> None:
    calls: list[str] = []
    choice = choose({name: takes(0.001, calls, name) for name in "ab"}, 0)
    assert calls == ["a", "b", "a", "b"]
    assert choice.timings.keys() == {"a", "b"}
    assert "1 round)" in choice.reason


def test_a_single_candidate_is_not_run() -> None:
    calls: list[str] = []
    choice = choose({"only": takes(0, calls, "only")}, 10)
    assert (choice.name, dict(choice.timings), calls) == ("only", {}, [])


def test_no_candidates() -> None:
    with pytest.raises(ValueError, match="no candidates"):
        choose({}, 1)


def test_what_a_candidate_raises_is_not_swallowed() -> None:
    def broken() -> None:
        raise RuntimeError("not here")

    with pytest.raises(RuntimeError, match="not here"):
        choose({"a": broken, "b": lambda: None}, 1)
