"""Pictures answered by a Ray cluster: the rows of the plain command, whatever dies on the way."""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import COMMAND, Done, command, environment, python_without
from PIL import Image
from ray_nodes import VARIABLES, Nodes, kill_node, processes_of, ray_nodes
from small_nets import scene
from torch import nn

from lensmith.bundle.bundle import Bundle
from lensmith.pictures.preprocess import Preprocess

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or sys.platform != "linux", reason="ray is not installed"
)
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
    return place


@pytest.fixture(scope="module")
def plain(place: Path) -> list[tuple[str, ...]]:
    command("predict", "net.lens", "photos", "--out", "plain.csv", cwd=place)
    return rows(place / "plain.csv")


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with ray_nodes() as started:
        yield started


def rows(file: Path) -> list[tuple[str, ...]]:
    """Sorted, so that equal lists are equal sets that hold nothing twice."""
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        return sorted(tuple(row) for row in csv.reader(opened))


def nearly_equal(found: list[tuple[str, ...]], wanted: list[tuple[str, ...]]) -> bool:
    """The same but for the last digits of probabilities, which may hang on how many pictures went together."""
    assert [(*row[:2], *row[3:]) for row in found] == [(*row[:2], *row[3:]) for row in wanted]
    pairs = [(one[2], other[2]) for one, other in zip(found, wanted, strict=True) if one[2] != other[2]]
    return np.allclose(*np.array(pairs or [(0, 0)], float).T, rtol=0, atol=1e-6)


def begin(place: Path, nodes: Nodes, out: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "predict", "net.lens", "photos", "--out", out, "--ray", nodes.address],
        cwd=place,
        env=environment(**VARIABLES),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=400)
    return Done(process.returncode, out, err)


def until_some_are_there(process: subprocess.Popen[str], file: Path, count: int) -> None:
    """Until the file holds so many rows, but not all."""
    while not file.exists() or file.read_bytes().count(b"\n") <= count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    assert count < file.read_bytes().count(b"\n") < MANY


def workers_on(node: subprocess.Popen[bytes]) -> list[int]:
    return [pid for pid, words in processes_of(node).items() if "Answering" in words]


@needs_ray
def test_the_rows_of_the_plain_command_and_nothing_left_behind(place: Path) -> None:
    with tarfile.open(place / "shard.tar", "w") as tar:
        for number in range(2, 90):
            tar.add(place / f"photos/{number % 7}/{number}.png", f"{number}.png")
    (place / "shards").mkdir()
    for number in range(2):
        shutil.copy(place / "shard.tar", place / f"shards/{number:05}.tar")
    odd, home = place / "odd", place / "home"
    odd.mkdir()
    home.mkdir()
    for name in ("two\nlines.png", "käfer 虫.png", os.fsdecode(b"\xff\xfe.png"), 'a "b", c.png'):
        shutil.copy(place / "photos/2/2.png", odd / name)
    (place / "list.csv").write_text("path\nphotos/3/3.png\nphotos/nowhere.png\nhttp://127.0.0.1:9/a.png\n")
    words = (
        "predict",
        "net.lens",
        "shard.tar",
        "shards",
        "odd",
        "list.csv",
        "photos/0",
        "nowhere.jpg",
        "--out",
    )
    here = command(*words, "all.csv", cwd=place)
    before = set(Path("/tmp").glob("lensmith-ray-*"))
    variables = {**VARIABLES, "RAY_AUTH_MODE": None, "HOME": str(home)}
    before = set(Path("/tmp").glob("lensmith-ray-*"))
    spread = command(*words, "spread.csv", "--ray", "local", cwd=place, **variables)
    assert (spread.code, spread.out) == (here.code, here.out) == (0, ""), spread
    said = set(here.err.replace("all.csv", "spread.csv").splitlines())
    more = set(spread.err.splitlines()) - said
    assert said <= set(spread.err.splitlines()) and all(line.startswith("  predict") for line in more), spread
    assert nearly_equal(rows(place / "spread.csv"), rows(place / "all.csv"))
    assert not list(home.iterdir()) and set(Path("/tmp").glob("lensmith-ray-*")) <= before


@needs_ray
@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing_and_doubles_nothing(
    place: Path, plain: list[tuple[str, ...]], nodes: Nodes
) -> None:
    nodes.add()
    other = nodes.add()
    process = begin(place, nodes, "killed.csv")
    until_some_are_there(process, place / "killed.csv", 64)
    kill_node(other)
    done = ended(process)
    assert done.code == 0 and f"{MANY} pictures; 2 could not be read" in done.err, done
    assert nearly_equal(rows(place / "killed.csv"), plain)


@needs_ray
@pytest.mark.slow
def test_a_worker_and_the_command_itself_are_killed(
    place: Path, plain: list[tuple[str, ...]], nodes: Nodes
) -> None:
    node = nodes.add()
    process = begin(place, nodes, "again.csv")
    until_some_are_there(process, place / "again.csv", 64)
    for worker in workers_on(node):
        os.kill(worker, signal.SIGKILL)
    until_some_are_there(process, place / "again.csv", 192)
    process.kill()
    process.communicate()
    answered = sum(not row[5] for row in rows(place / "again.csv"))
    done = ended(begin(place, nodes, "again.csv"))
    assert done.code == 0 and f"{MANY - answered} pictures, and {answered} answered before" in done.err, done
    assert nearly_equal(rows(place / "again.csv"), plain)
    while workers_on(node):  # of neither command
        time.sleep(0.2)


@needs_ray
@pytest.mark.slow
def test_machines_that_do_not_see_the_pictures_are_sent_them(place: Path, nodes: Nodes) -> None:
    """A node in a mount namespace of its own, where the folder is empty."""
    hidden = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none "{place}" && exec "$0" "$@"')
    if subprocess.run([*hidden, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no rights to make a mount namespace")
    nodes.add(*hidden)
    with tarfile.open(place / "sent.tar", "w") as tar:
        for number in range(2, 70):
            tar.add(place / f"photos/{number % 7}/{number}.png", f"{number}.png")
    words = ("predict", "net.lens", "sent.tar", "photos/0", "--out")
    command(*words, "here.csv", cwd=place)
    done = command(*words, "sent.csv", "--ray", nodes.address, cwd=place, **VARIABLES)
    assert done.code == 0, done
    assert nearly_equal(rows(place / "sent.csv"), rows(place / "here.csv"))


@needs_ray
def test_an_address_where_no_cluster_answers_is_told_within_seconds(place: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for address, code, words in (
            (f"127.0.0.1:{silent.getsockname()[1]}", 4, "no Ray cluster can be reached at 127.0.0.1:"),
            ("127.0.0.1:9", 4, "no Ray cluster can be reached at 127.0.0.1:9 (Connection refused)"),
            ("ray://head:10001", 2, "on a machine of the cluster"),
            ("head", 2, "HOST:PORT"),
        ):
            done = command(
                "predict", "net.lens", "photos", "--out", "no.csv", "--ray", address, cwd=place, **VARIABLES
            )
            done.refused(code, words)


def test_without_ray_the_line_that_installs_it_is_told(place: Path) -> None:
    python, variables = python_without(place / "without", "ray")
    words = ("-m", "lensmith", "predict", "net.lens", "photos", "--out", "no.csv", "--ray", "auto")
    done = subprocess.run(
        [*python, *words], cwd=place, env=variables, capture_output=True, text=True, check=False
    )
    Done(done.returncode, done.stdout, done.stderr).refused(4, "needs ray", 'pip install "lensmith[ray]"')


def test_ray_is_for_answers_in_a_file(place: Path) -> None:
    command("predict", "net.lens", "photos", "--ray", "local", cwd=place).refused(2, "--out")
    command("predict", "net.lens", "photos", "--ray", "local", "--sort", "s", cwd=place).refused(2, "--out")
