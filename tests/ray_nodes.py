"""Real Ray clusters on one machine: nodes by `ray start`, which can be killed as a machine that loses its power."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from command_line import environment

VARIABLES = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": None}
_MORE = ("--object-store-memory=100000000", "--block", "--disable-usage-stats")


class Nodes:
    """nodes: the first process of each; the head computes nothing, the others have a core each."""

    def __init__(self, folder: Path) -> None:
        import ray.util

        self._folder = folder
        self.nodes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"{ray.util.get_node_ip_address()}:{port}"
        self._start(
            "--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false", "--num-cpus=0"
        )

    def add(self, *before: str) -> subprocess.Popen[bytes]:
        """One more node, started by what comes `before` it on a command line."""
        return self._start(f"--address={self.address}", "--num-cpus=1", before=before)

    def _start(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Where the machine is busy, one may not get up in the time that Ray gives it; then another is begun."""
        said = ""
        for _ in range(5):
            log = self._folder / f"node{len(self.nodes)}.log"
            with log.open("wb") as file:
                node = subprocess.Popen(
                    [*before, sys.executable, "-m", "ray.scripts.scripts", "start", *words, *_MORE],
                    env=environment(**VARIABLES),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
            while node.poll() is None:
                if b"will now block" in log.read_bytes():
                    self.nodes.append(node)
                    return node
                time.sleep(0.1)
            said = log.read_text()
            kill_node(node)
        raise AssertionError(said)


@contextlib.contextmanager
def ray_nodes() -> Iterator[Nodes]:
    """A head; what is added to it ends with it. Not in pytest's own folder: paths of sockets have to be short."""
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        nodes = Nodes(Path(folder))
        try:
            yield nodes
        finally:
            for node in reversed(nodes.nodes):
                kill_node(node)


def processes_of(node: subprocess.Popen[bytes]) -> dict[int, str]:
    """The processes of its session and what each is called."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            session = (process / "stat").read_text().rpartition(")")[2].split()[3]
            if int(session) == node.pid:
                found[int(process.name)] = (process / "cmdline").read_text()
    return found


def kill_node(node: subprocess.Popen[bytes]) -> None:
    """All of them, at once."""
    for pid in processes_of(node):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    node.wait()
