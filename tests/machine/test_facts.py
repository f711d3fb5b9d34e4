"""The facts of the machine that runs the tests."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from lensmith.machine import limits
from lensmith.machine.capture import parse_capture
from lensmith.machine.facts import read_machine


def test_this_machine() -> None:
    machine = read_machine()
    assert machine.unread == ()
    assert machine.python == ".".join(str(part) for part in sys.version_info[:3])
    assert machine.executable == sys.executable
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert machine.memory is None or machine.memory > 2**28
    assert machine.disk_free is not None
    assert abs(machine.disk_free - shutil.disk_usage(Path.cwd()).free) < 2**30
    assert "-" not in machine.platform
    if sys.prefix != sys.base_prefix:
        assert machine.environment == "venv"


def test_the_facts_are_json() -> None:
    machine = read_machine()
    told = json.loads(json.dumps(machine.as_dict()))
    assert told["platform"] == machine.platform
    assert [gpu["name"] for gpu in told["nvidia"]["gpus"]] == [gpu.name for gpu in machine.nvidia.gpus]
    assert told["driver_cuda"] == machine.driver_cuda


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_a_containers_limits_are_this_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text("134217728\n")
    machine = read_machine()
    assert (machine.cores, machine.memory) == (1, 134217728)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    machine = read_machine()
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.memory is not None
    assert machine.memory > 134217728


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use stays")
def test_a_folder_that_is_gone_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    machine = read_machine()
    assert machine.install_free is not None
    assert machine.unread == ()


def test_a_probe_that_fails_is_told_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source = parse_capture("=== python\nversion 3.11.7\n").source

    def refuse() -> dict[str, str]:
        raise OSError("no more processes")

    monkeypatch.setattr(source, "libcuda", refuse)
    machine = read_machine(source)
    assert machine.python == "3.11.7"
    assert machine.unread == ("libcuda: OSError: no more processes",)
