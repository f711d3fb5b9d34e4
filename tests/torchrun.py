"""Real processes, started by torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TORCHRUN = (sys.executable, "-m", "torch.distributed.run")


def surroundings(**changes: str) -> dict[str, str]:
    """Variables for torchrun: nothing of another one, one thread each, the loopback interface."""
    of_torchrun = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    kept = {n: v for n, v in os.environ.items() if n not in of_torchrun and not n.startswith("TORCHELASTIC")}
    return kept | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONWARNINGS": ""} | changes


def torchrun(
    count: int, *words: str | Path, cwd: Path, restarts: int = 0, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS` in `count` processes to their end."""
    return subprocess.run(
        [
            *TORCHRUN,
            "--standalone",
            f"--nproc-per-node={count}",
            f"--max-restarts={restarts}",
            *map(str, words),
        ],
        cwd=cwd,
        env=surroundings(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
