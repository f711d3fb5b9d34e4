"""What Ray costs: the plain command and `--ray local` in turn, on the same pictures with the same model.

    python bench/ray_predict.py RUN FOLDER [--repeats 3]

CPU seconds are those of all processes of a command's session. Prints one JSON object: how many pictures, and for each
side pictures a second and CPU milliseconds a picture, by the medians of what is told beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

SIDES = {"plain": (), "ray": ("--ray", "local")}
_TICK = os.sysconf("SC_CLK_TCK")


def of_session(leader: int) -> Iterator[tuple[int, float]]:
    """`(process, CPU seconds)` of each process of a session."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == leader:
            yield int(process.name), (int(words[11]) + int(words[12])) / _TICK


def asked(run: str, folder: str, *words: str) -> tuple[float, float, int]:
    """Seconds, CPU seconds and rows of one command; what its processes used is looked at four times a second."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "answers.csv"
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "lensmith", "predict", run, folder, "--out", str(out), *words],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        used: dict[int, float] = {}
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.25):
                used.update(of_session(process.pid))

        watching = threading.Thread(target=watch)
        watching.start()
        code = process.wait()
        seconds = time.perf_counter() - began
        ended.set()
        watching.join()
        if code:
            raise SystemExit(f"{words}: exit code {code}")
        return seconds, sum(used.values()), out.read_bytes().count(b"\n") - 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("folder")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
    count = 0
    for _ in range(arguments.repeats):
        for side, words in SIDES.items():
            seconds, used, count = asked(arguments.run, arguments.folder, *words)
            times[side].append((seconds, used))
    figures = {
        side: {
            "pictures a second": round(count / statistics.median(one for one, _ in taken), 1),
            "CPU ms a picture": round(1e3 * statistics.median(one for _, one in taken) / count, 3),
            "CPU seconds": [round(one, 2) for _, one in taken],
            "seconds": [round(one, 2) for one, _ in taken],
        }
        for side, taken in times.items()
    }
    print(json.dumps({"pictures": count, **figures}))


if __name__ == "__main__":
    main()
