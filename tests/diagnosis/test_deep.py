"""The short computation: run for real on this machine, and judged for machines that are not here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from machines import READY, nvidia, script

from lensmith.diagnosis.deep import Exercise, judge_exercise, run_exercise
from lensmith.diagnosis.doctor import Finding
from lensmith.diagnosis.speeds import expected_of_cpu, expected_of_gpu, read_speeds

CPU = {"step": "device", "device": "cpu", "name": "cpu", "threads": 2}
A100 = {"step": "device", "device": "cuda", "name": "NVIDIA A100-SXM4-80GB", "free": 79e9, "total": 85e9}
EPYC = replace(READY, processor="AMD EPYC", instructions=("avx2", "avx512f"))


def step(name: str, **facts: Any) -> dict[str, Any]:
    return {"step": name, "error": 1e-7, **facts}


def judge(*steps: dict[str, Any], code: int | None = 0, said: str = "") -> list[Finding]:
    return judge_exercise(Exercise(steps, code, said), EPYC)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="computes with torch")
def test_this_machine_computes_right() -> None:
    command = [sys.executable, "-m", "lensmith", "doctor", "--deep", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    told = json.loads(done.stdout)
    steps = {one["step"]: one for one in told["deep"]}
    assert {"import", "device", "float32", "bfloat16", "convolution", "end"} <= steps.keys()
    assert 0 < steps["float32"]["error"] < 1e-4
    assert 0 < steps["bfloat16"]["error"] < 2e-2
    assert 0 < steps["convolution"]["error"] < 1e-3
    assert steps["float32"]["tflops"] > 0
    (speed,) = [one for one in told["findings"] if one["name"] in ("speed", "results", "computing")]
    assert speed["name"] == "speed" and "float32" in speed["detail"]


def test_as_fast_as_expected() -> None:
    (found,) = judge(CPU, step("float32", tflops=0.2), step("bfloat16", tflops=0.9))
    assert found.ok
    assert found.detail == (
        "AMD EPYC in 2 threads computes 200 GFLOP/s float32, 900 GFLOP/s bfloat16:"
        " as fast as expected, results right"
    )
    (found,) = judge(
        A100, step("float32", tflops=18.0), step("tf32", tflops=120), step("bfloat16", tflops=250)
    )
    assert found.ok and found.detail.startswith(
        "NVIDIA A100-SXM4-80GB (73.6 of 79.2 GiB free) computes 18 TFLOP/s"
    )


def test_a_busy_machine_is_told_from_a_slow_one() -> None:
    (busy,) = judge(CPU, step("float32", tflops=0.01, given=0.3))
    assert busy.severity == "warning"
    assert "got 30% of their time" in busy.cure
    (slow,) = judge(CPU, step("float32", tflops=0.01, given=0.98))
    assert "Nothing else computes here" in slow.cure


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        ("0x0000000000000004", "its power limit (99.1 of 100 W, 61 C)"),
        ("0x0000000000000060", "heat (its driver slows it down) and heat (the card slows itself down)"),
        ("0x0000000000000000", "who else computes"),
        ("[N/A]", "who else computes"),
    ],
)
def test_a_slow_gpu_and_what_holds_it_back(mask: str, says: str) -> None:
    load = {
        "step": "load",
        "clocks_throttle_reasons.active": mask,
        "power.draw": "99.1",
        "power.limit": "100",
    }
    fast, slow = step("float32", tflops=18.0), step("bfloat16", tflops=60.0)
    (found,) = judge(A100, fast, slow, {**load, "temperature.gpu": "61"})
    assert (found.name, found.severity) == ("speed", "warning")
    assert "93.6 TFLOP/s to 312 TFLOP/s bfloat16 are expected" in found.detail
    assert says in found.cure


@pytest.mark.parametrize("error", [0.5, float("inf"), float("nan")])
def test_wrong_results_are_an_error(error: float) -> None:
    found = judge(A100, step("float32", tflops=18.0, error=error), step("convolution", error=error))
    assert [(one.name, one.severity) for one in found] == [("results", "error"), ("speed", "info")]
    assert "float32 is off by" in found[0].detail and "convolution is off by" in found[0].detail


def test_a_damaged_copy_is_an_error() -> None:
    found = judge(A100, {"step": "copy", "error": float("inf"), "gigabytes": 12.0})
    assert [one.name for one in found] == ["results"]


def test_an_unknown_gpu_is_measured_and_not_judged() -> None:
    (found,) = judge({**A100, "name": "NVIDIA Q7 Imagined"}, step("float32", tflops=0.001))
    assert found.ok and "not known here" in found.detail


def test_a_gpu_that_torch_did_not_take_is_said() -> None:
    machine = replace(READY, nvidia=nvidia("550.54.14", "8.9"))
    said = "x.py:1: UserWarning: CUDA initialization: The NVIDIA driver on your system is too old\n  return"
    found = judge_exercise(Exercise((CPU, step("float32", tflops=0.1)), 0, said), machine)
    assert (found[0].name, found[0].severity) == ("computing", "warning")
    assert "and not on GPU of 8.9" in found[0].detail
    assert "driver on your system is too old" in found[0].cure
    assert found[1].name == "message"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV before torch was imported"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        (
            "raise SystemExit('OSError: libcudart.so.13: cannot open')",
            "failed before torch was imported: OSError: lib",
        ),
        (
            'print(\'{"step": "import"}\', flush=True); raise SystemExit(3)',
            "failed after the step import: it said noth",
        ),
        ("print('no JSON'); raise SystemExit(1)", "it said nothing"),
    ],
)
def test_what_does_not_end_well(program: str, says: str, tmp_path: Path) -> None:
    exercise = run_exercise(python=str(script(tmp_path / "bin", "python", program)))
    found = judge_exercise(exercise, READY)[0]
    assert (found.name, found.severity) == ("computing", "error")
    assert says in found.detail


def test_what_torch_says_is_explained(tmp_path: Path) -> None:
    words = "libcusparse.so.12: undefined symbol: __nvJitLinkComplete_12_4, version libnvJitLink.so.12"
    program = f"raise ImportError({words!r})"
    failed, message = judge_exercise(
        run_exercise(python=str(script(tmp_path / "bin", "python", program))), READY
    )
    assert words in failed.detail
    assert message.name == "message" and "LD_LIBRARY_PATH" in message.cure


def test_what_hangs_is_ended_and_its_steps_are_kept(tmp_path: Path) -> None:
    program = 'import time\nprint(\'{"step": "import"}\', flush=True)\ntime.sleep(600)'
    exercise = run_exercise(1.0, str(script(tmp_path / "bin", "python", program)))
    assert exercise.code is None
    (found,) = judge_exercise(exercise, READY)
    assert "hangs after the step import" in found.detail


@pytest.mark.parametrize(
    ("name", "bfloat16"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-PCIE-40GB", 312),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", 88.2),
        ("NVIDIA GeForce RTX 4070", 58.3),
        ("NVIDIA L4", 125.3),
        ("NVIDIA L40S", 366.4),
        ("NVIDIA A10G", 70),
        ("NVIDIA RTX 6000 Ada Generation", 364.2),
        ("NVIDIA RTX A4000", 76.7),
        ("Tesla T4", None),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A1000", None),
        ("NVIDIA A100X", None),
        ("NVIDIA GeForce RTX 30", None),
    ],
)
def test_the_row_of_a_gpu(name: str, bfloat16: float | None) -> None:
    found = expected_of_gpu(name, "bfloat16")
    assert (found.high if found else None) == bfloat16


def test_tesla_and_quadro_are_no_part_of_a_name() -> None:
    found = expected_of_gpu("Tesla T4", "float32")
    assert found is not None and found.high == 8.1


def test_the_widest_instructions_count() -> None:
    wide, narrow = expected_of_cpu(("avx2", "avx512f"), 4), expected_of_cpu(("sse4_2",), 4)
    assert wide.low == pytest.approx(0.08) and narrow.low < wide.low


def test_every_row_has_a_source_and_agrees_with_itself() -> None:
    table = read_speeds()
    for row in table["gpus"]:
        assert row["source"] in table["sources"] or "read 2026" in row["source"], row
        if "tf32" in row:
            # The vendor's own ratio, on every card so far.
            assert row["bfloat16"] == pytest.approx(2 * row["tf32"], rel=0.02), row
            assert row["float32"] <= row["tf32"] * 1.01, row
    assert len({row["name"] for row in table["gpus"]}) == len(table["gpus"])
