"""From a repository to its verdict, on the command line: a real git repository, uv, an index on this machine."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import COMMAND, command, environment, python_without, tree
from package_index import PackageIndex
from sleepers import sleeping, wait_until_gone
from toy_repository import write_toy


@pytest.fixture
def toy(tmp_path: Path, index: PackageIndex) -> Path:
    """`tmp_path/my circles`, whose one package the index holds."""
    index.add_wheel("packaging", "21.3", day="2021-11-18")
    return write_toy(tmp_path / "my circles")


def next_command(said: str) -> list[str]:
    label, *words = shlex.split(said.splitlines()[-1])
    assert label == "next" and words[:2] == ["lensmith", "reproduce"]
    return words[1:]


def test_each_step_names_the_next_and_the_last_one_reproduces(tmp_path: Path, toy: Path) -> None:
    before, words = tree(toy), ["reproduce", "my circles", "--to", "read"]
    for step in ("read", "plan", "build"):
        done = command(*words, cwd=tmp_path)
        assert done.code == 0, done.out + done.err
        assert words[3] == step
        words = next_command(done.out)
    refused = command(*words, cwd=tmp_path)
    assert refused.code == 1 and "Add --yes" in refused.err and "python train.py --seed 0" in refused.err
    assert not list(tmp_path.glob("reproductions/*/work"))
    done = command(*words, "--yes", cwd=tmp_path)
    assert done.code == 0 and "REPRODUCED" in done.out
    assert "is there already" in done.err  # what was built is used
    assert tree(toy) == before
    [out] = tmp_path.glob("reproductions/*")
    facts = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    assert (facts["verdict"], facts["count"], facts["command"]) == (
        "reproduced",
        1000,
        "python train.py --seed 0",
    )
    assert "packaging==21.3" in facts["environment"] and "2022-03-04" in facts["subject"]
    page = (out / "VERDICT.md").read_text(encoding="utf-8")
    assert page.startswith("# Reproduced") and shlex.quote("my circles") in page
    assert "packaging 21.3" in (out / "output.log").read_text(encoding="utf-8")


def test_another_claim_is_not_reproduced_and_what_fails_could_not_run(tmp_path: Path, toy: Path) -> None:
    words = ["reproduce", str(toy), "--to", "run", "--yes", "--json", "--out", "out"]
    other = command(*words, "--claim", "accuracy=99.8%", cwd=tmp_path)
    assert other.code == 1, other.err
    assert (
        other.json["verdict"]["verdict"] == "not reproduced"
        and "below the claim" in other.json["verdict"]["reason"]
    )
    failing = command(*words, "--command", "python train.py --no-such-option", cwd=tmp_path)
    assert failing.code == 1 and failing.json["verdict"]["verdict"] == "could not run"
    assert "exit code 2" in failing.json["verdict"]["reason"]
    assert {"work", "work-2"} <= {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_ctrl_c_ends_everything(tmp_path: Path, toy: Path, marked: str) -> None:
    sleeps = f"(setsid sleep {marked} &); sleep {marked}"
    process = subprocess.Popen(
        [*COMMAND, "reproduce", "my circles", "--to", "run", "--yes", "--command", sleeps],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        until = time.monotonic() + 120
        while len(sleeping(marked)) < 2 and time.monotonic() < until and process.poll() is None:
            time.sleep(0.1)
        assert len(sleeping(marked)) == 2
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 130, said
        assert wait_until_gone(marked)
    finally:
        process.kill()
        process.communicate()


def test_reading_and_planning_need_the_base_install_alone(tmp_path: Path, toy: Path) -> None:
    """Without torch; and numpy and Pillow, which are there, are not imported."""
    start, variables = python_without(tmp_path, "torch", "torchvision", "onnx", "onnxruntime", "safetensors")
    program = (
        "import sys; from lensmith.cli.main import run\n"
        "code = run(['reproduce', 'my circles', '--to', 'plan'])\n"
        "sys.exit(str([code, *({'numpy', 'PIL', 'torch'} & set(sys.modules))]))"
    )
    done = subprocess.run(
        [*start, "-c", program], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert "packaging==21.3" in done.stdout, done.stderr
    assert done.stderr.splitlines()[-1] == "[0]"
