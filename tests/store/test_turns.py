"""Processes of one host fill a column once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from columns import opened
from command_line import environment
from drawn import draw_classes

from lensmith.data.sources import load_data
from lensmith.store.store import Column

OPEN = """
import sys
sys.path[:0] = [sys.argv[2]]
from columns import opened
from lensmith.data.sources import load_data
print(opened(load_data(sys.argv[1])).from_store)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there each process decodes for itself")
def test_of_processes_of_one_host_one_decodes(cache: Path, tmp_path: Path) -> None:
    data = draw_classes(tmp_path / "data", cats=150, dogs=150)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(data), str(Path(__file__).parents[1])],
            env=environment(LOCAL_WORLD_SIZE="3"),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=200)[0].strip() for process in started]
    assert sorted(said) == ["False", "True", "True"]
    kept: Column = opened(load_data(str(data)))
    assert kept.from_store
    assert not list(cache.rglob("*.turn"))
