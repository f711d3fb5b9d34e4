"""A short real computation on this machine's device: does it finish, is it right, is it as fast as expected."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensmith.diagnosis.doctor import GIB, Finding
from lensmith.diagnosis.messages import explain_message
from lensmith.diagnosis.speeds import Expected, expected_of_cpu, expected_of_gpu
from lensmith.machine.facts import Machine
from lensmith.machine.programs import ask_program

_SECONDS = 90.0
"""It takes 5 to 10; importing torch from a slow disk may take a minute."""
_TOLERANCES = {"float32": 1e-4, "tf32": 5e-3, "bfloat16": 2e-2, "convolution": 1e-3, "copy": 0.0}
"""Far above what rounding does to each (3e-7, 4e-4, 3e-3, 2e-6, nothing), far below what a broken device does."""
_SLOWED = {
    0x4: "its power limit",
    0x8: "a hardware slowdown: heat or power",
    0x20: "heat (its driver slows it down)",
    0x40: "heat (the card slows itself down)",
    0x80: "the power supply",
}
"""Bits of NVML's nvmlClocksThrottleReason: https://docs.nvidia.com/deploy/nvml-api, group nvmlClocksEventReasons."""
_BUSY = 0.7


@dataclass(frozen=True)
class Exercise:
    """What the computation said: a mapping for each step that was done, how it ended, its words on stderr.

    code: the exit code, negative for a signal, None where it had to be ended.
    """

    steps: tuple[Mapping[str, Any], ...]
    code: int | None
    said: str


def run_exercise(seconds: float = _SECONDS, python: str = sys.executable) -> Exercise:
    """Compute, in a process of its own: a driver that hangs or crashes takes only that one along."""
    program = str(Path(__file__).with_name("exercise.py"))
    # -P: a torch.py in the working folder is another finding's business.
    said = ask_program([python, "-P", program], seconds)
    return Exercise(tuple(_steps(said.out)), said.code, said.err)


def judge_exercise(exercise: Exercise, machine: Machine) -> list[Finding]:
    """What the computation tells of the machine."""
    steps = {step["step"]: step for step in exercise.steps}
    found = [_unfinished(exercise, steps)] if exercise.code != 0 else []
    device = steps.get("device")
    if device and device["device"] == "cpu" and machine.nvidia.gpus and machine.torch and machine.torch.cuda:
        words = f"torch computed on the CPU, and not on {machine.nvidia.gpus[0].name}"
        found.append(Finding("computing", "warning", words, _first_line(exercise.said)))
    if found:
        found += explain_message(exercise.said, machine)
    if device is None:
        return found
    wrong = [
        name for name, limit in _TOLERANCES.items() if name in steps and not steps[name]["error"] <= limit
    ]
    if wrong:
        found.append(_wrong(wrong, steps, device))
    found += _speed(steps, device, machine)
    return found


def _speed(
    steps: Mapping[str, Mapping[str, Any]], device: Mapping[str, Any], machine: Machine
) -> Iterator[Finding]:
    measured = {name: steps[name]["tflops"] for name in ("float32", "tf32", "bfloat16") if name in steps}
    if not measured:
        return
    where = _where(device, machine)
    numbers = ", ".join(f"{_flops(value)} {name}" for name, value in measured.items())
    words = f"{where} computes {numbers}"
    known = {name: _expected(device, machine, name) for name in measured}
    slow = [(name, one) for name, one in known.items() if one and measured[name] < one.low]
    if slow:
        name, one = slow[0]
        words += f"; {_flops(one.low)} to {_flops(one.high)} {name} are expected"
        yield Finding("speed", "warning", words, _why_slow(steps, device))
    elif any(known.values()):
        yield Finding("speed", "info", f"{words}: as fast as expected, results right")
    else:
        yield Finding("speed", "info", f"{words}; what is expected of it is not known here")


def _where(device: Mapping[str, Any], machine: Machine) -> str:
    if device["device"] == "cuda":
        return f"{device['name']} ({device['free'] / GIB:.1f} of {device['total'] / GIB:.1f} GiB free)"
    if device["device"] == "mps":
        return "Apple's GPU"
    threads = device["threads"]
    return f"{machine.processor or 'the CPU'} in {threads} thread{'s' if threads != 1 else ''}"


def _expected(device: Mapping[str, Any], machine: Machine, precision: str) -> Expected | None:
    if device["device"] == "cuda":
        return expected_of_gpu(device["name"], precision)
    if device["device"] == "cpu" and precision == "float32":
        return expected_of_cpu(machine.instructions, device["threads"])
    return None


def _why_slow(steps: Mapping[str, Mapping[str, Any]], device: Mapping[str, Any]) -> str:
    if device["device"] == "cpu":
        given = steps["float32"].get("given", 1.0)
        if given < _BUSY:
            return (
                f"Its threads got {given:.0%} of their time: other programs compute here, or the container's"
                " share of the CPU is smaller. Look who does (top), and try again."
            )
        return "Nothing else computes here: look for a power saving mode, heat, or a container's CPU limit."
    load = steps.get("load", {})
    reasons = _reasons(load.get("clocks_throttle_reasons.active", ""))
    if reasons:
        drawn, limit = load.get("power.draw"), load.get("power.limit")
        heat = load.get("temperature.gpu")
        return f"Held back by {' and '.join(reasons)} ({drawn} of {limit} W, {heat} C)."
    return "Look with nvidia-smi who else computes on it; a shared or sliced GPU gives each its part."


def _reasons(mask: str) -> list[str]:
    try:
        bits = int(mask, 16)
    except ValueError:
        return []
    return [words for bit, words in _SLOWED.items() if bits & bit]


def _wrong(wrong: list[str], steps: Mapping[str, Mapping[str, Any]], device: Mapping[str, Any]) -> Finding:
    errors = ", ".join(f"{name} is off by {steps[name]['error']:.1e}" for name in wrong)
    words = f"{device['name']} computes wrong results: {errors} of the largest value"
    cure = (
        "Trust no result of it. Undo any overclocking, install the driver and torch again;"
        " if it stays, the hardware is faulty: compare with --device cpu."
    )
    return Finding("results", "error", words, cure)


def _unfinished(exercise: Exercise, steps: Mapping[str, Mapping[str, Any]]) -> Finding:
    after = f"after the step {list(steps)[-1]}" if steps else "before torch was imported"
    code = exercise.code
    if code is None:
        words = f"computing did not end in {_SECONDS:.0f} s: it hangs {after}"
        cure = "Restart the machine; a driver that hangs does not come back by itself."
        return Finding("computing", "error", words, cure)
    if code < 0:
        name = next((one.name for one in signal.Signals if one == -code), f"signal {-code}")
        words = f"computing was ended by {name} {after}"
        cure = "Too little memory." if name == "SIGKILL" else "Install torch again; then look at the driver."
        return Finding("computing", "error", words, cure)
    return Finding("computing", "error", f"computing failed {after}: {_last_line(exercise.said)}")


def _flops(tera: float) -> str:
    return f"{tera:.3g} TFLOP/s" if tera >= 1 else f"{tera * 1000:.3g} GFLOP/s"


def _steps(out: str) -> Iterator[Mapping[str, Any]]:
    for line in out.splitlines():
        with contextlib.suppress(ValueError):  # the last one may be cut off
            step = json.loads(line)
            if isinstance(step, dict) and "step" in step:
                yield step


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if "Warning:" in line), "")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
