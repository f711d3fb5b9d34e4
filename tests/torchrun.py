"""Real processes, started by torchrun."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

TORCHRUN = (sys.executable, "-m", "torch.distributed.run")


def surroundings(**changes: str) -> dict[str, str]:
    """Variables for torchrun: nothing of another one, one thread each, the loopback interface."""
    of_torchrun = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    kept = {n: v for n, v in os.environ.items() if n not in of_torchrun and not n.startswith("TORCHELASTIC")}
    return kept | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONWARNINGS": ""} | changes


def launcher(count: int, *words: str | Path, restarts: int = 0) -> list[str]:
    """torchrun's command line."""
    options = ["--standalone", f"--nproc-per-node={count}", f"--max-restarts={restarts}"]
    return [*TORCHRUN, *options, *map(str, words)]


def torchrun(
    count: int, *words: str | Path, cwd: Path, restarts: int = 0, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS` in `count` processes to their end."""
    return subprocess.run(
        launcher(count, *words, restarts=restarts),
        cwd=cwd,
        env=surroundings(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def workers(launcher: int) -> dict[int, int]:
    """rank -> process of those that a launcher has started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"PPid:\t{launcher}\n" in (folder / "status").read_text():
                words = (folder / "environ").read_bytes().split(b"\0")
                ranks = [int(word[5:]) for word in words if word.startswith(b"RANK=")]
                found |= {rank: int(folder.name) for rank in ranks}
    return found


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 600.0) -> None:
    """Wait while the process runs."""
    ends = time.monotonic() + seconds
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends, "it does not come"
        time.sleep(0.05)
