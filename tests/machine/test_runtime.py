"""Device, precision and place among the processes, on whatever machine the tests run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lensmith.errors import MachineError, UsageError
from lensmith.machine.runtime import _missing_code, find_runtime

torch = pytest.importorskip("torch")
HAS_CUDA = torch.version.cuda is not None and torch.cuda.is_available()
HAS_MPS = torch.backends.mps.is_available()


@pytest.fixture(autouse=True)
def single_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_the_cpu_can_always_be_asked_for() -> None:
    runtime = find_runtime("cpu")
    assert (runtime.device, runtime.precision, runtime.rank, runtime.world_size) == ("cpu", "float32", 0, 1)
    assert runtime.threads == torch.get_num_threads()
    assert runtime.reason == "asked for"


def test_the_best_device_is_found() -> None:
    runtime = find_runtime(None)
    assert runtime.device == ("cuda:0" if HAS_CUDA else "mps" if HAS_MPS else "cpu")
    assert runtime.reason
    torch.zeros(2, device=runtime.device).add(1)


@pytest.mark.skipif(HAS_CUDA, reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_not_replaced_in_silence(device: str) -> None:
    with pytest.raises(MachineError, match=f"device {device} cannot be used") as raised:
        find_runtime(device)
    assert "lensmith doctor" in raised.value.hint


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_CUDA, reason="needs a GPU")
def test_a_gpu_beyond_the_last_is_refused() -> None:
    assert find_runtime("cuda").device == "cuda:0"
    with pytest.raises(MachineError, match="cuda:99"):
        find_runtime("cuda:99")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0", "mps:1", "CUDA", ""])
def test_words_that_are_no_device(device: str) -> None:
    with pytest.raises(UsageError, match="no device"):
        find_runtime(device)


def test_a_place_among_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    runtime = find_runtime("cpu")
    assert (runtime.rank, runtime.world_size) == (3, 4)


@pytest.mark.parametrize(
    ("rank", "world"), [("4", "4"), ("-1", "2"), ("one", "2"), ("0", "many"), ("0", "0")]
)
def test_a_place_that_cannot_be(monkeypatch: pytest.MonkeyPatch, rank: str, world: str) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(MachineError, match=r"RANK|WORLD_SIZE") as raised:
        find_runtime("cpu")
    assert "torchrun" in raised.value.hint


@pytest.mark.parametrize(
    ("capability", "compiled", "usable"),
    [
        ((8, 6), ["sm_75", "sm_80"], True),
        ((6, 1), ["sm_75", "sm_80"], False),
        ((12, 0), ["sm_80", "sm_90"], False),
        ((12, 0), ["sm_80", "sm_90", "compute_90"], True),  # compiled on the machine itself
        ((9, 0), ["sm_90a"], True),
        ((9, 0), [], True),  # not known is not a no
    ],
)
def test_a_gpu_without_code_is_refused(
    capability: tuple[int, int], compiled: list[str], usable: bool
) -> None:
    trouble = _missing_code(capability, compiled, "13.0")
    assert (trouble == "") is usable
    assert usable or f"{capability[0]}.{capability[1]}" in trouble


def test_without_torch_the_next_step_is_named() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from lensmith.errors import MachineError\n"
        "from lensmith.machine.runtime import find_runtime\n"
        "try: find_runtime(None)\n"
        "except MachineError as error: print(error.hint, error.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "lensmith doctor --fix" in done.stdout
    assert done.stdout.strip().endswith("4")
