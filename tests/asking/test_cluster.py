"""Pictures answered by a Ray cluster: the rows of the plain command, whatever dies on the way."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import COMMAND, Done, command, environment
from PIL import Image
from small_nets import scene
from torch import nn

from lensmith.bundle.bundle import Bundle
from lensmith.pictures.preprocess import Preprocess

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
QUIET = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": None}
MANY = 700


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose pictures are of 224 x 224, so that a part is 64 of them; and 700 of them, two unreadable."""
    place = tmp_path_factory.mktemp("cluster")
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )
    Bundle(net, preprocess=Preprocess(224), classes=["a", "b", "c", "d"]).save(place / "net.lens")
    for number in range(MANY):
        folder = place / f"photos/{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(40, 50, number)).save(folder / f"{number}.png")
    (place / "photos/0/0.png").write_bytes(b"no picture")
    (place / "photos/1/1.png").write_bytes((place / "photos/1/1.png").read_bytes()[:100])
    command("predict", "net.lens", "photos", "--out", "plain.csv", cwd=place)
    return place


def rows(file: Path) -> list[tuple[str, ...]]:
    """Sorted, so that equal lists are equal sets that hold nothing twice."""
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        return sorted(tuple(row) for row in csv.reader(opened))


def nearly(found: list[tuple[str, ...]], wanted: list[tuple[str, ...]]) -> bool:
    """The same but for the last digits of probabilities, which may hang on how many pictures went together."""
    assert [(*row[:2], *row[3:]) for row in found] == [(*row[:2], *row[3:]) for row in wanted]
    pairs = [(one[2], other[2]) for one, other in zip(found, wanted, strict=True) if one[2] != other[2]]
    return np.allclose(
        [float(one) for one, _ in pairs], [float(other) for _, other in pairs], rtol=0, atol=1e-6
    )


class Cluster:
    """`ray start` processes of this machine, each a node with a core, but for the first, which computes nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.nodes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"{own_address()}:{port}"
        head = (
            "--head",
            f"--port={port}",
            f"--temp-dir={folder}",
            "--include-dashboard=false",
            "--num-cpus=0",
        )
        self.start(*head)
        self.wait_for(1)

    def start(
        self, *words: str, before: tuple[str, ...] = (), **changes: str | None
    ) -> subprocess.Popen[bytes]:
        words = words or (f"--address={self.address}", "--num-cpus=1")
        more = ("--object-store-memory=100000000", "--block", "--disable-usage-stats")
        with (self._folder / f"node{len(self.nodes)}.log").open("wb") as log:
            node = subprocess.Popen(
                [*before, sys.executable, "-m", "ray.scripts.scripts", "start", *words, *more],
                env=environment(**QUIET, **changes),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.nodes.append(node)
        return node

    def wait_for(self, count: int) -> None:
        """Until so many nodes are there."""
        asked = (
            f"import ray; ray.init({self.address!r}); print('nodes', sum(n['Alive'] for n in ray.nodes()))"
        )
        for _ in range(60):
            done = subprocess.run(
                [sys.executable, "-c", asked],
                env=environment(**QUIET),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if f"nodes {count}" in done.stdout:
                return
            time.sleep(0.5)
        raise AssertionError((self._folder / "node0.log").read_text() + done.stderr)

    def close(self) -> None:
        for node in reversed(self.nodes):
            kill(node)


def own_address() -> str:
    import ray.util

    return ray.util.get_node_ip_address()


def kill(node: subprocess.Popen[bytes]) -> None:
    """As if the machine had lost its power: the whole of the node's session."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            session = (process / "stat").read_text().rpartition(")")[2].split()[3]
            if int(session) == node.pid and int(process.name) != node.pid:
                os.kill(int(process.name), signal.SIGKILL)
    node.kill()
    node.wait()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        started = Cluster(Path(folder))
        try:
            yield started
        finally:
            started.close()


def begin(place: Path, cluster: Cluster, out: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "predict", "net.lens", "photos", "--out", out, "--ray", cluster.address],
        cwd=place,
        env=environment(**QUIET),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=300)
    return Done(process.returncode, out, err)


def until_some_are_there(process: subprocess.Popen[str], file: Path, count: int) -> None:
    """Until the file holds so many rows, but not all."""
    for _ in range(1200):
        if file.exists() and file.read_bytes().count(b"\n") > count:
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    assert count < file.read_bytes().count(b"\n") < MANY


@needs_ray
def test_the_rows_of_the_plain_command_and_nothing_left_behind(place: Path) -> None:
    with tarfile.open(place / "shard.tar", "w") as tar:
        for number in range(2, 90):
            tar.add(place / f"photos/{number % 7}/{number}.png", f"{number}.png")
    odd = place / "odd"
    odd.mkdir()
    for name in ("two\nlines.png", "k\u00e4fer \u866b.png", os.fsdecode(b"\xff\xfe.png"), 'a "b", c.png'):
        shutil.copy(place / "photos/2/2.png", odd / name)
    (place / "list.csv").write_text("path\nphotos/3/3.png\nphotos/nowhere.png\nhttp://127.0.0.1:9/a.png\n")
    words = ("shard.tar", "odd", "list.csv", "photos/0", "nowhere.jpg")
    before = set(Path("/tmp").iterdir())
    for suffix in ("csv", "jsonl"):
        plain = command("predict", "net.lens", *words, "--out", f"all.{suffix}", cwd=place)
        spread = command(
            "predict", "net.lens", *words, "--out", f"spread.{suffix}", "--ray", "local", cwd=place, **QUIET
        )
        assert (spread.code, spread.out) == (plain.code, "") == (0, "")
        assert set(spread.err.splitlines()) == {
            line.replace("all.", "spread.") for line in plain.err.splitlines()
        }
    assert nearly(rows(place / "spread.csv"), rows(place / "all.csv"))
    found, wanted = (
        sorted(json.loads(line)["file"] for line in (place / name).read_bytes().splitlines())
        for name in ("spread.jsonl", "all.jsonl")
    )
    assert found == wanted
    left = [path for path in set(Path("/tmp").iterdir()) - before if "ray" in path.name]
    assert not left and not (Path.home() / ".ray").exists()


@needs_ray
@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing_and_doubles_nothing(place: Path, cluster: Cluster) -> None:
    cluster.start()
    other = cluster.start()
    cluster.wait_for(3)
    process = begin(place, cluster, "killed.csv")
    until_some_are_there(process, place / "killed.csv", 64)
    kill(other)
    done = ended(process)
    assert done.code == 0 and f"{MANY} pictures; 2 could not be read" in done.err, done
    assert nearly(rows(place / "killed.csv"), rows(place / "plain.csv"))
