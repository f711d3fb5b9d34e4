"""Run two commands in turn, A B A B ..., and compare them: medians and spread of wall and CPU seconds.

    python bench/compare.py ROW        # `make bench ROW=...` calls this; rows are below

Both sides run in new processes, one after the other, so that a machine whose speed drifts hurts both alike.
Each finished run is a line in bench/logs/ROW.jsonl; a row that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent
CIFAR = os.environ.get("LENSMITH_CIFAR10", "")

Side = list[str]


def tutorial(seed: int, place: Path) -> dict[str, Side]:
    """The tutorial's script and `lensmith train --recipe tutorial`: same pictures, network and recipe."""
    ours = [sys.executable, "-m", "lensmith", "train", CIFAR, "--recipe", "tutorial"]
    return {
        "tutorial": [sys.executable, str(BENCH / "tutorial.py"), CIFAR, "--seed", str(seed)],
        "lensmith": [*ours, "--seed", str(seed), "--out", str(place / "run"), "--json"],
    }


def seconds(seed: int, place: Path) -> dict[str, Side]:
    """The tutorial's script, and how long lensmith needs to be at least as good: a budget of eight seconds."""
    ours = [sys.executable, "-m", "lensmith", "train", CIFAR, "--budget", "8s"]
    return {
        "tutorial": [sys.executable, str(BENCH / "tutorial.py"), CIFAR, "--seed", str(seed)],
        "lensmith": [*ours, "--seed", str(seed), "--out", str(place / "run"), "--json"],
    }


ROWS = {"tutorial": (tutorial, (0, 1, 2)), "seconds": (seconds, (0, 1, 2, 3, 4))}


def main(row: str) -> None:
    if row not in ROWS:
        sys.exit(f"no row is called {row}; there are {', '.join(ROWS)}")
    if not Path(CIFAR, "train").is_dir():
        sys.exit("set LENSMITH_CIFAR10 to a folder with train/CLASS/*.png and test/CLASS/*.png")
    sides, seeds = ROWS[row]
    log = BENCH / "logs" / f"{row}.jsonl"
    log.parent.mkdir(exist_ok=True)
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as place:
            for name, command in sides(seed, Path(place)).items():
                if any(run["side"] == name and run["seed"] == seed for run in done):
                    continue
                run = {"side": name, "seed": seed, **time_run(command, Path(place))}
                done.append(run)
                with log.open("a") as file:
                    file.write(json.dumps(run) + "\n")
                print(json.dumps(run), flush=True)
    print(table(done))


def time_run(command: Side, place: Path) -> dict[str, Any]:
    """One run in a new process, with an empty store; its accuracy is in the last JSON object it prints."""
    environment = os.environ | {"LENSMITH_CACHE": str(place / "cache")}
    with (place / "out").open("w+") as out, (place / "err").open("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)  # the resources of this process and its children alone
        wall = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(command)} ended with {status}\n{(place / 'err').read_text()[-2000:]}")
    facts = json.loads((place / "out").read_text().strip().splitlines()[-1])
    accuracy = facts["accuracy"] if "accuracy" in facts else facts["report"]["accuracy"]["value"]
    return {
        "accuracy": accuracy,
        "wall": round(wall, 2),
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss / 1024),
        "parts": facts["seconds"] if isinstance(facts["seconds"], dict) else {},
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(runs: list[dict[str, Any]]) -> str:
    """A Markdown table: each side's mean accuracy, median (least to most) seconds; then the ratios."""
    names = list(dict.fromkeys(run["side"] for run in runs))
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    about = f"{machine}, torch {version('torch')}, Python {platform.python_version()}"
    rows = [
        about,
        "",
        "| side | runs | accuracy | wall s | CPU s | peak MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in names:
        own = [run for run in runs if run["side"] == name]
        accuracy = statistics.mean(run["accuracy"] for run in own)
        wall, cpu = ([run[key] for run in own] for key in ("wall", "cpu"))
        peak = max(run["peak_mb"] for run in own)
        rows.append(f"| {name} | {len(own)} | {accuracy:.2%} | {_spread(wall)} | {_spread(cpu)} | {peak} |")
    if len(names) == 2:
        first, second = ([run for run in runs if run["side"] == name] for name in names)
        ratios = [f"{key} {_median(first, key) / _median(second, key):.2f}x" for key in ("wall", "cpu")]
        rows += ["", f"{names[0]} / {names[1]}: {', '.join(ratios)}"]
    return "\n".join(rows)


def _median(runs: list[dict[str, Any]], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
