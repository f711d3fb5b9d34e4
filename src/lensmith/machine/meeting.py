"""How processes find each other through torchrun's store, and wait there for what another one says."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from lensmith.errors import UsageError

Value = TypeVar("Value")
_PATIENCE = "LENSMITH_PROCESS_TIMEOUT"
_SECONDS = 300.0
_SHORTEST, _PAUSE = 1e-3, 0.1
"""Seconds between two looks for what the first says, which may be long at something alone, such as decoding."""
_MEETING = 300.0
"""Seconds for the others to start: a host may read torch from a slow disk."""


def patience() -> float:
    """Seconds after which a process that is waited for counts as lost; LENSMITH_PROCESS_TIMEOUT sets them."""
    text = os.environ.get(_PATIENCE, "") or str(_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e8:
        raise UsageError(f"{_PATIENCE}={text} is no number of seconds", hint="300 is used without it.")
    return seconds


def meet(store: Any, rank: int, world_size: int) -> str:
    """A word that those who meet now have in common, and those before them had not.

    The store is torchrun's, and outlives the processes: what those that it has replaced left there, addresses among
    it, would be taken for that of the new ones. Nor do hosts count alike how often they have started theirs.
    """
    own, ends = uuid.uuid4().hex, time.monotonic() + max(_MEETING, patience())
    if rank:
        store.set(f"hello/{rank}", own)
        wait(lambda: store.check([f"answer/{own}"]), ends)
        word: str = store.get(f"answer/{own}").decode()
        store.set(f"here/{word}/{rank}", "")
        return word
    answered: set[str] = set()

    def all_are_here() -> bool:
        for other in range(1, world_size):
            if (
                store.check([f"hello/{other}"])
                and (name := store.get(f"hello/{other}").decode()) not in answered
            ):
                store.set(f"answer/{name}", own)  # of one that is gone, perhaps; then nobody asks for it
                answered.add(name)
        return all(store.check([f"here/{own}/{other}"]) for other in range(1, world_size))

    wait(all_are_here, ends)
    return own


def wait(is_so: Callable[[], bool], ends: float) -> None:
    """Until something holds, by what the store says. Raises `OSError` after `ends`, or where the store is silent."""
    pause = _SHORTEST
    while not answer(is_so, patience()):
        if time.monotonic() > ends:
            raise TimeoutError("they did not come in time")
        time.sleep(pause)
        pause = min(2 * pause, _PAUSE)


def answer(ask: Callable[[], Value], seconds: float) -> Value:
    """What the store says. Where its host was cut off, torch would wait for many minutes, and hear no signal."""
    said: list[Value] = []
    faults: list[BaseException] = []

    def run() -> None:
        try:
            said.append(ask())
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if faults:
        raise faults[0]
    if not said:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return said[0]
