"""How long `lensmith doctor` takes: on a Python without torch, and where nvidia-smi hangs. Seconds, whole processes.

python bench/doctor.py [--times 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from command_line import python_without


def main() -> None:
    """Print the median and the slowest of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        python, variables = python_without(place, "torch", "torchvision", "functorch", "torchgen")
        hanging = place / "bin/nvidia-smi"
        hanging.parent.mkdir()
        hanging.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
        hanging.chmod(0o755)
        path = f"{hanging.parent}{os.pathsep}{os.environ['PATH']}"
        for name, changes in (("without torch", {}), ("nvidia-smi hangs", {"PATH": path})):
            taken = [
                _seconds([*python, "-m", "lensmith", "doctor"], variables | changes) for _ in range(times)
            ]
            sys.stdout.write(f"{name}: median {statistics.median(taken):.2f} s, slowest {max(taken):.2f} s\n")


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=False)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
