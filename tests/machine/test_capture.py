"""A machine written down, and read elsewhere as if one were there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from machines import script

from lensmith.diagnosis.doctor import diagnose
from lensmith.errors import UsageError
from lensmith.machine import probes
from lensmith.machine.capture import live, parse_capture
from lensmith.machine.facts import Machine, read_machine
from lensmith.machine.recording import Recorder, without_the_user

PYTHON = "=== python\nversion 3.11.7\nexecutable /env/bin/python\nplatform linux_x86_64\nprefix /env\n"


def written() -> tuple[Machine, str]:
    recorder = Recorder(live())
    return read_machine(recorder), recorder.written()


def test_a_capture_gives_the_machine_that_it_was_written_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, 1")
    (tmp_path / "torch.py").write_text("")
    monkeypatch.chdir(tmp_path)
    machine, text = written()
    assert machine.surroundings.shadows == ("./torch.py",)
    assert read_machine(parse_capture(text).source) == machine


@pytest.mark.skipif(sys.platform == "win32", reason="scripts are programs on POSIX")
def test_what_programs_said_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(
        tmp_path,
        "nvidia-smi",
        "import sys\n"
        "if '-L' in sys.argv: print('GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5b)\\n'"
        "'  MIG 1g.5gb Device 0: (UUID: MIG-6d2c)')\n"
        "else: print('NVIDIA A100-SXM4-40GB, 570.86.15, 8.0, 40960 MiB\\n=== file /etc/passwd\\nno')",
    )
    script(tmp_path, "nvcc", "print('Cuda compilation tools, release 11.8, V11.8.89')")
    monkeypatch.setenv("PATH", str(tmp_path))
    machine, text = written()
    assert machine.surroundings.compiler == "11.8"
    assert machine.nvidia.gpus[0].slices == ("MIG-6d2c",)
    assert read_machine(parse_capture(text).source) == machine
    assert parse_capture(text).source.text("/etc/passwd") is None


@pytest.mark.skipif(sys.platform == "win32", reason="scripts are programs on POSIX")
def test_a_hanging_program_hangs_in_the_capture_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path, "nvidia-smi", "import time; time.sleep(600)")
    monkeypatch.setenv("PATH", str(tmp_path))
    start = time.monotonic()
    machine, text = written()
    assert time.monotonic() - start < 10
    assert machine.nvidia.trouble == "nvidia-smi gave no answer within 5 s"
    assert "(hangs)\n" in text
    assert read_machine(parse_capture(text).source) == machine


def test_nothing_private_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "jane"
    (home / "conda").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "jane")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "shhh-aws")
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.7 50000 10.0.0.5 22")
    monkeypatch.setenv("CONDA_PREFIX", str(home / "conda"))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/scratch/jane/cuda:https://jane:hunter2@host/x")
    monkeypatch.setenv("PYTHONPATH", "/data/hf_abcdefghijklmnop")
    _, text = written()
    for secret in ("jane", "shhh", "203.0.113.7", "hunter2", "hf_abcd"):
        assert secret not in text
    assert "CONDA_PREFIX=~/conda\n" in text
    assert "LD_LIBRARY_PATH=/scratch/user/cuda:" in text
    assert "SSH_CONNECTION=set\n" in text


def test_a_library_that_hangs_has_told_its_version_before(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = "import time; print('cuDriverGetVersion 12080', flush=True); time.sleep(600)"
    monkeypatch.setattr(probes, "_LIBCUDA", hangs)
    monkeypatch.setattr(probes, "LIBCUDA_SECONDS", 1.0)
    assert live().libcuda() == {"cuDriverGetVersion": "12080", "cuInit": "hangs"}


@pytest.mark.parametrize(
    ("text", "home", "user", "kept"),
    [
        ("/home/jane/x /home/janet/y", "/home/jane", "jane", "~/x /home/janet/y"),
        (
            "/proc/driver/nvidia/version /scratch/nvidia/x",
            "/home/nvidia",
            "nvidia",
            "/proc/driver/nvidia/version /scratch/user/x",
        ),
        ("/data/root/x", "/", "root", "/data/root/x"),
        ("C:\\Users\\jane\\env D:\\work\\jane\\x", "C:\\Users\\jane", "jane", "~\\env D:\\work\\user\\x"),
    ],
)
def test_the_user_is_taken_out_of_paths_and_nothing_else(text: str, home: str, user: str, kept: str) -> None:
    assert without_the_user(text, home, user) == kept


def test_a_capture_by_hand() -> None:
    capture = parse_capture(
        "source: https://example.org/thread\nexpect: cu128 | torch 2.7 ; no code for\n\n"
        + PYTHON
        + "=== environment\nCUDA_VISIBLE_DEVICES=\n"
        "=== file {site}/torch-2.11.0.dist-info/METADATA\nMetadata-Version: 2.1\nName: torch\nVersion: 2.11.0\n"
        "=== file /env/lib/python3.11/site-packages/torch/version.py\ncuda: Optional[str] = '13.0'\n"
        "=== file {site}/torch/lib/libtorch_python.so\n sm_75 sm_80 sm_120\n"
        "=== command nvidia-smi (exit 9)\nNVIDIA-SMI has failed because it couldn't communicate\n"
        "=== libcuda\ncuDriverGetVersion 12080\ncuInit 804\n"
        "=== df\nFilesystem 1024-blocks Used Available Capacity Mounted on\n"
        "overlay 1000 400 600 40% /\nshm 65536 0 65536 0% /dev/shm\n"
        "=== of the future\nwhatever\n"
        "=== message\nRuntimeError: no kernel image\n"
    )
    assert capture.headers == {
        "source": "https://example.org/thread",
        "expect": "cu128 | torch 2.7 ; no code for",
    }
    assert capture.message == "RuntimeError: no kernel image"
    machine = read_machine(capture.source)
    assert machine.unread == ()
    assert machine.visible_devices == ""
    assert machine.torch is not None
    assert (machine.torch.version, machine.torch.cuda) == ("2.11.0", "13.0")
    assert machine.torch.capabilities == ("75", "80", "120")
    assert machine.nvidia.trouble == "nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate"
    assert (machine.nvidia.cuda, machine.nvidia.init) == ("12.8", 804)
    assert (machine.shared_memory, machine.install_free) == (65536 * 1024, 600 * 1024)


@pytest.mark.parametrize("text", ["", "Hello", "=== file /x\ny\n", "\x00\x01\n=== \n"])
def test_what_is_no_capture_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no capture"):
        parse_capture(text)


@pytest.mark.parametrize(
    "text",
    [
        "=== python\n\n=== command nvidia-smi 'x\n=== df\na b c d e f\n=== sizes\n-1 /x\n=== libcuda\ncuInit x\n",
        "=== python\nversion\n=== file ../../etc/passwd\nroot\n=== file\n=== command\n=== environment\n=\n",
        "=== python\nversion 3\n=== command nvidia-smi\n"
        + "|" * 5000
        + "\n=== file /proc/cpuinfo\n"
        + ": " * 999,
    ],
)
def test_a_damaged_capture_is_read_as_far_as_it_goes(text: str) -> None:
    assert json.dumps(read_machine(parse_capture(text).source).as_dict())


def test_reading_imports_nothing_heavy() -> None:
    program = (
        "import sys; from lensmith.machine.facts import read_machine; read_machine();"
        "print([name for name in ('torch', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("number", ["9" * 5000, "\u0663", "\u00b2"])
def test_what_is_no_number_of_a_machine_is_not_known(number: str) -> None:
    smi = f"=== command nvidia-smi\nNVIDIA-SMI 550.1  Driver Version: {number}.1  CUDA Version: {number}.4\n"
    query = "--query-gpu=name,driver_version,compute_cap,memory.total --format=csv,noheader"
    row = f"=== command nvidia-smi {query}\nRTX 9, 550.54.14, {number}.9, {number} MiB\n"
    torch = f"=== file {{site}}/torch/version.py\ncuda = '{number}.2'\n"
    torch += "=== file {site}/torch-2.9.0.dist-info/METADATA\nName: torch\nVersion: 2.9.0\n"
    for text in (smi, row):
        machine = read_machine(parse_capture(PYTHON + text + torch).source)
        assert (
            number
            not in f"{machine.nvidia.driver} {machine.nvidia.cuda} {machine.nvidia.gpus} {machine.torch}"
        )
        assert diagnose(machine)
