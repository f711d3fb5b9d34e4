"""How much of the machine is this process's to use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lensmith.machine import limits
from lensmith.machine.limits import compute_threads

linux = pytest.mark.skipif(sys.platform != "linux", reason="cores are told so on Linux")


@pytest.fixture
def four_cpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cores with two threads each, and no container around them."""
    for cpu, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        (tmp_path / f"cpu{cpu}/topology").mkdir(parents=True)
        (tmp_path / f"cpu{cpu}/topology/thread_siblings_list").write_text(f"{siblings}\n")
    monkeypatch.setattr(limits, "_CPUS", tmp_path)
    monkeypatch.setattr(limits, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path


@linux
def test_two_threads_of_a_core_compute_as_one(four_cpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (limits.cores(), compute_threads()) == (4, 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2})
    assert (limits.cores(), compute_threads()) == (2, 1)


@linux
def test_where_the_system_does_not_tell_every_one_counts(four_cpus: Path) -> None:
    for file in four_cpus.rglob("thread_siblings_list"):
        file.unlink()
    assert compute_threads() == 4


@linux
def test_a_container_and_a_person_may_ask_for_fewer(four_cpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, threads in (("1", 1), ("64", 2), ("0", 2), ("", 2), ("1,2", 2)):
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        assert compute_threads() == threads
    (four_cpus / "cpu.max").write_text("100000 100000\n")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert compute_threads() == 1


@linux
def test_processes_of_a_host_divide_its_cores(four_cpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    for name in ("0", "1"):
        (four_cpus / f"cpu{name}/topology/thread_siblings_list").write_text(f"{name}\n")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert (compute_threads(), limits.host_threads()) == (1, 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which torchrun sets where nobody else does
    assert (compute_threads(), limits.host_threads()) == (1, 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert compute_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # what somebody asked for is for each process
    assert (compute_threads(), limits.host_threads()) == (2, 2)
