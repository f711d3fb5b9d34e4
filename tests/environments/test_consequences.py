"""What differs from what a run used, and what follows."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from runs_by_hand import facts_of

from lensmith.environments.consequences import find_consequences, verdict_of
from lensmith.errors import ModelFileError
from lensmith.machine.facts import Machine
from lensmith.machine.nvidia import Gpu, Nvidia
from lensmith.machine.packages import Torch
from lensmith.runs.directory import RunDirectory

GPU = "NVIDIA GeForce RTX 3090"
SAME = {
    "versions": {name: version(name) for name in ("numpy", "pillow", "lensmith")},
    "machine": {
        "platform": platform.platform(),
        "python": "3.11.7",
        "processor": "AMD EPYC",
        "instructions": "avx avx2",
        "cores": 4,
        "threads": 99,
        "kernels": "AVX9",
        "gpu": f"{GPU}, compute capability 8.6",
        "cuda": "13.2",
    },
}
HERE = Machine(
    python="3.11.7",
    executable="/env/bin/python",
    system="Ubuntu",
    platform="linux_x86_64",
    cores=4,
    processor="AMD EPYC",
    instructions=("avx", "avx2"),
    nvidia=Nvidia("580.95.05", (Gpu("NVIDIA T4", "7.5"), Gpu(GPU, "8.6"))),
    torch=Torch("2.15.0", "13.2"),
)


def found(folder: Path, part: str = "", changes: dict[str, Any] | None = None, graph: bool = True) -> Any:
    """What follows where the run had something else in one part of its facts."""
    facts: dict[str, Any] = facts_of(["a", "b"]) | SAME
    if part:
        facts[part] = facts[part] | (changes or {})
    run = RunDirectory(folder)
    run.model.mkdir(parents=True, exist_ok=True)
    if graph:
        (run.model / "graph.onnx").touch()
    run.write_facts(facts)
    return find_consequences(run, HERE)


def test_the_same_environment(tmp_path: Path) -> None:
    assert found(tmp_path) == []
    assert verdict_of([]) == ("nothing", "the same weights and answers are promised here")


@pytest.mark.parametrize(
    ("part", "changes", "level"),
    [
        ("versions", {"numpy": "1.0"}, "weights"),
        ("versions", {"onnxruntime": "1.0"}, "answers"),
        ("versions", {"onnx": "1.0"}, "nothing"),
        ("versions", {"lensmith": "0.0.1"}, "nothing"),
        ("versions", {"lensmith": "99.0"}, "loads"),
        ("versions", {"not-installed-at-all": "1.0"}, "answers"),
        ("machine", {"python": "3.12.1"}, "nothing"),
        ("machine", {"cores": 8}, "nothing"),
        ("machine", {"processor": "Another"}, "weights"),
        ("machine", {"instructions": "avx"}, "weights"),
        ("machine", {"gpu": "NVIDIA H100, compute capability 9.0"}, "weights"),
        ("machine", {"cuda": "12.8"}, "weights"),
        ("machine", {"platform": "Windows-10-10.0.19045-SP0"}, "weights"),
        ("machine", {"MKL_CBWR": "AVX2"}, "weights"),
    ],
)
def test_what_differs_and_what_follows(
    part: str, changes: dict[str, Any], level: str, tmp_path: Path
) -> None:
    consequences = found(tmp_path, part, changes)
    assert verdict_of(consequences)[0] == level
    assert set(changes) <= {one.name for one in consequences}
    assert all(one.why for one in consequences)


def test_the_gravest_comes_first(tmp_path: Path) -> None:
    names = [
        one.name for one in found(tmp_path, "versions", {"onnx": "1.0", "numpy": "1.0", "lensmith": "99.0"})
    ]
    assert names == ["lensmith", "numpy", "onnx"]


def test_a_run_of_another_kind(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_facts({"machine": {}})
    with pytest.raises(ModelFileError, match="names no versions"):
        find_consequences(run, HERE)
