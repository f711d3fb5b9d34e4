"""Keeps a training on disk as it goes, so that it can go on from there whatever ends the process."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from lensmith.errors import LensmithError, ModelFileError
from lensmith.machine.processes import ALONE, Processes
from lensmith.runs.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from lensmith.runs.fields import seconds_of
from lensmith.training.state import fold, unfold

OFF = "off"
WEIGHTS, TENSORS, STATE = "weights.safetensors", "state.safetensors", "state.json"
SHORTEST = 15.0
"""Seconds between two checkpoints, at least, where nothing is asked for."""
_WORTH = 10.0
"""Seconds of a training that one does not want to wait for again."""
SHARE = 0.01
"""Of the time of a training, that its checkpoints may take."""
_BYTES_A_SECOND = 150e6
"""How fast they are written, before one was."""


class Saver:
    """Writes the states that it is given, one after the other, in a thread of its own, while the training goes on.

    every: a time such as `30s`, `off`, or None for as often as costs a hundredth of the time. size: bytes of the
    network.
    """

    def __init__(self, folder: Path, every: str | None, size: int) -> None:
        self._folder = folder
        self._every = every
        # An optimizer keeps as much again, or twice that.
        self._cost = 3 * size / _BYTES_A_SECOND
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[float] | None = None
        self._last = time.perf_counter()
        self.step = -1

    def is_due(self) -> bool:
        """Whether it is time for another one."""
        if self._every == OFF or (self._writing is not None and not self._writing.done()):
            return False
        passed = time.perf_counter() - self._last
        if self._every is not None:
            return passed >= seconds_of(self._every)
        return passed >= max(SHORTEST, self._cost / SHARE)

    def is_worth_it(self) -> bool:
        """Whether a finished training is worth keeping until all that follows it is done."""
        return self._every != OFF and (self.step >= 0 or time.perf_counter() - self._last > _WORTH)

    def save(self, state: dict[str, Any]) -> str:
        """Begin to write a state; what went wrong with the one before, in words, or nothing."""
        trouble = self.wait()
        began = time.perf_counter()
        step = int(state["step"])
        try:
            parts = _in_parts(state)
        except TypeError as error:
            self._every = OFF
            return f"this training cannot be kept, so an interruption ends it: {error}"
        if parts is None:
            return trouble or f"no checkpoint at step {step}: the weights are no finite numbers"
        # What it ended with is another thing than what it was after its last step, and does not take its place.
        number = step + ("ended" in state)
        self._writing = self._thread.submit(_write, self._folder, number, *parts)
        self.step = step
        self._last = time.perf_counter()
        self._cost = self._last - began
        return trouble

    def wait(self) -> str:
        """Until the last one is written; what went wrong with it, in words, or nothing."""
        writing, self._writing = self._writing, None
        if writing is None:
            return ""
        try:
            self._cost += writing.result()
        except (OSError, LensmithError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else error.message
            return f"no checkpoint was written ({reason}); those before it stay, and the training goes on"
        return ""

    def close(self) -> str:
        """Wait, and give the thread back; what went wrong, in words, or nothing."""
        trouble = self.wait()
        self._thread.shutdown()
        return trouble


def read_state(folder: Path, processes: Processes = ALONE) -> tuple[dict[str, Any], Checkpoint] | None:
    """The newest state that verifies, and its checkpoint; None where there is none. Raises `ModelFileError`.

    Of several processes the first reads, and the others are sent what it found.
    """
    found = _sent(read_checkpoint(folder) if processes.is_first else None, processes)
    if found is None:
        return None
    try:
        tensors = load(found.files[TENSORS])
        state = {name: fold(form, tensors) for name, form in json.loads(found.files[STATE]).items()}
        state["weights"] |= load(found.files[WEIGHTS])
    except (KeyError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        raise ModelFileError(
            f"{found.path}: not a checkpoint that is known here ({type(error).__name__}: {error})",
            hint="It was written by another version of lensmith, or by another program.",
        ) from error
    return state, found


def _sent(found: Checkpoint | None, processes: Processes) -> Checkpoint | None:
    """What the first process found, on all of them."""
    if not processes.are_several:
        return found
    names = processes.agreed([] if found is None else list(found.files))
    step, path = processes.agreed((0, "") if found is None else (found.step, str(found.path)))
    files = {name: processes.sent(b"" if found is None else found.files[name]) for name in names}
    return Checkpoint(step, Path(path), files, () if found is None else found.skipped) if names else None


Parts = tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]


def _in_parts(state: dict[str, Any]) -> Parts | None:
    """The state as JSON, its tensors and those of the network, all copied; None where these are not finite."""
    weights = {name: value for name, value in state["weights"].items() if isinstance(value, Tensor)}
    floats = [value for value in weights.values() if value.is_floating_point() and value.numel()]
    if floats and not bool(torch.nn.utils.get_total_norm(floats).isfinite()):
        return None
    rest = {name: value for name, value in state["weights"].items() if name not in weights}
    tensors: dict[str, Tensor] = {}
    form = {name: unfold(value, tensors, name) for name, value in (state | {"weights": rest}).items()}
    copied = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in weights.items()}
    return form, {name: value.contiguous() for name, value in tensors.items()}, copied


def _write(
    folder: Path, step: int, form: dict[str, Any], tensors: dict[str, Tensor], weights: dict[str, Tensor]
) -> float:
    """Returns the seconds that it took."""
    began = time.perf_counter()
    files = {
        WEIGHTS: save(weights, metadata={"format": "pt"}),
        TENSORS: save(tensors),
        STATE: json.dumps(form).encode(),
    }
    write_checkpoint(folder, step, files)
    return time.perf_counter() - began
