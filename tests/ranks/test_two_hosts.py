"""Two hosts, as network namespaces on one: their link is cut, and mended, or not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import command
from several_runs import is_at, started, weights
from torchrun import wait_until, workers

pytestmark = pytest.mark.slow
_LOST = "25"
"""Seconds after which a process counts as lost."""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """The names of two namespaces, 10.77.0.1 and 10.77.0.2, joined by a link of the same names."""
    names = (f"lm{os.getpid()}a", f"lm{os.getpid()}b")
    if sys.platform != "linux" or os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need Linux, root and the program ip")
    try:
        for name in names:
            ip("netns", "add", name)
        ip(
            "link",
            "add",
            names[0],
            "netns",
            names[0],
            "type",
            "veth",
            "peer",
            "name",
            names[1],
            "netns",
            names[1],
        )
        for number, name in enumerate(names, 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", name)
            for device in ("lo", name):
                ip("-n", name, "link", "set", device, "up")
    except subprocess.CalledProcessError as error:
        remove(names)
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    yield names
    remove(names)


def remove(names: tuple[str, str]) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def cut(hosts: tuple[str, str], state: str) -> None:
    ip("-n", hosts[0], "link", "set", hosts[0], state)


def begin(hosts: tuple[str, str], here: Path, patience: int) -> list[subprocess.Popen[str]]:
    """torchrun on both; the first holds the rendezvous and waits so many seconds for the other."""
    return [
        started(
            here,
            *("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-endpoint=10.77.0.1:29400"),
            *("--rdzv-id=cut", f"--rdzv-conf=is_host={1 - number},join_timeout={patience}"),
            *(f"--local-addr=10.77.0.{number + 1}", "--max-restarts=3"),
            prefix=("ip", "netns", "exec", name),
            GLOO_SOCKET_IFNAME=name,
            LENSMITH_PROCESS_TIMEOUT=_LOST,
        )
        for number, name in enumerate(hosts)
    ]


def worker(process: subprocess.Popen[str]) -> int | None:
    return next(iter(workers(process.pid).values()), None)


def test_a_link_that_comes_back_costs_a_restart(hosts: tuple[str, str], here: Path, undisturbed: str) -> None:
    both = begin(hosts, here, patience=300)
    wait_until(lambda: is_at(here, 7), both[0], 400)
    before = worker(both[0])
    cut(hosts, "down")
    wait_until(lambda: worker(both[0]) != before, both[0], 400)
    cut(hosts, "up")
    said = [process.communicate(timeout=900)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert weights(here) == undisturbed
    assert any("begun before these processes were started again" in one for one in said)


def test_a_link_that_stays_cut_ends_the_run_in_a_stated_time(
    hosts: tuple[str, str], here: Path, undisturbed: str
) -> None:
    both = begin(hosts, here, patience=60)
    wait_until(lambda: is_at(here, 7), both[0], 400)
    mine = worker(both[1])
    cut(hosts, "down")
    _, said = both[0].communicate(timeout=400)
    assert both[0].returncode == 1
    assert said.count("has lost the others (") == 1, said
    assert "lensmith resume RUN" in said
    wait_until(lambda: worker(both[1]) != mine, both[1], 400)  # the other side ends as well, by its own clock
    both[1].send_signal(signal.SIGKILL)  # its torchrun waits for the system to give the connection up
    both[1].communicate(timeout=60)
    done = command("resume", "run", cwd=here)
    assert done.code == 0, done.err
    assert weights(here) == undisturbed
