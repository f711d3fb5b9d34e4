"""The benchmark's machinery: what a run of a side leaves behind, however it ends."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[1] / "bench"
pytestmark = pytest.mark.skipif(not BENCH.is_dir() or sys.platform == "win32", reason="no bench/ here")

RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
from running import Side, run_side
print(json.dumps(run_side(Side([sys.executable, "-c", sys.argv[2]], limit=float(sys.argv[3])))))
"""


def run_of(code: str, limit: float = 60.0) -> dict[str, Any]:
    words = [sys.executable, "-c", RUN, str(BENCH), code, str(limit)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_last_object_that_a_side_prints_is_its_figures() -> None:
    run = run_of(
        """print('{"accuracy": 0.1}\\nwords\\n{"accuracy": 0.5, "seconds": {"train": 2}}\\nwords')"""
    )
    assert (run["ended"], run["figures"], run["parts"]) == ("ok", {"accuracy": 0.5}, {"train": 2})


def test_a_side_that_fails_leaves_its_last_words() -> None:
    run = run_of("raise SystemExit('no such thing here')")
    assert run["ended"] == "failed" and run["words"].strip() == "no such thing here"


def test_at_its_limit_a_side_is_ended_with_its_children_and_keeps_what_it_had() -> None:
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
print('{"accuracy": 0.3, "figures": {"child": %d}}' % child.pid, flush=True)
child.wait()
"""
    run = run_of(code, limit=1.5)
    assert run["ended"] == "limit" and run["figures"]["accuracy"] == 0.3
    status = Path(f"/proc/{run['figures']['child']}/status")
    assert not status.exists() or "zombie" in status.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told so on Linux")
def test_memory_counts_all_processes_of_a_side() -> None:
    code = """
import subprocess, sys
take = "import time; block = b'x' * (100 << 20); time.sleep(2)"
for one in [subprocess.Popen([sys.executable, "-c", take]) for _ in range(2)]:
    one.wait()
"""
    run = run_of(code)
    assert 200 < run["own_mb"] < run["peak_mb"] < 400


@pytest.mark.parametrize("script", sorted(file.name for file in BENCH.glob("*.py")))
def test_what_a_bench_takes_from_the_library_is_there(script: str) -> None:
    for node in ast.walk(ast.parse((BENCH / script).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lensmith"):
            room = importlib.import_module(str(node.module))
            for name in (alias.name for alias in node.names):
                assert hasattr(room, name) or importlib.util.find_spec(f"{node.module}.{name}"), name


def test_every_row_has_sides() -> None:
    code = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.environ.update(LENSMITH_CIFAR10="cifar10")
import rows
rows.photos = lambda count: rows.Path(f"photos-{count}")
rows.few_of_each = lambda source, count: rows.Path(f"few-{count}")
rows.resplits = lambda: rows.Path("resplits")
for row in rows.ROWS.values():
    for seed in row.seeds:
        sides = row.sides(rows.Trial(seed))
        assert len(sides) > 1 and all(isinstance(w, str) for side in sides.values() for w in side.command)
"""
    subprocess.run([sys.executable, "-c", code, str(BENCH)], check=True)
