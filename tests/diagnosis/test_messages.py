"""What the doctor says of a pasted message: the table's rules, the order, this machine's facts, hostile texts."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from machines import BARE, CU13, CU126, READY, lines, nvidia

from lensmith.diagnosis.doctor import Finding
from lensmith.diagnosis.messages import Row, explain_message, read_messages
from lensmith.machine.facts import Machine
from lensmith.machine.managers import Managers
from lensmith.machine.packages import Torch

ROOT = Path(__file__).parents[2]
OLD_DRIVER = (
    "UserWarning: CUDA initialization: The NVIDIA driver on your system is too old (found version 12040)."
)
ON_CUDA = (
    "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False."
)


def checks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("messages_script", ROOT / "scripts/messages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = checks()


def titles(found: list[Finding]) -> list[str]:
    """The rows' titles, with which what is said begins."""
    said = [finding.detail.removeprefix("This follows from the above: ") for finding in found]
    return [row.title for words in said for row in read_messages() if words.startswith(f"{row.title}. ")]


def explained(text: str, machine: Machine = READY) -> Finding:
    (found,) = explain_message(text, machine)
    return found


def test_the_table_keeps_its_rules_and_the_page_is_in_step() -> None:
    assert SCRIPT.faults(read_messages()) == []
    assert SCRIPT.PAGE.read_text(encoding="utf-8") == SCRIPT.page(read_messages())


def test_most_rows_rest_on_threads_that_were_read() -> None:
    rows = read_messages()
    assert len(rows) >= 60
    assert sum(bool(row.link) for row in rows) >= 0.85 * len(rows)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"patterns": ("x.*y",)}, "without a bound"),
        ({"patterns": ("(?:a{1,9}b){1,9}",)}, "within a repeat"),
        ({"patterns": ("nowhere to be found",)}, "own example is not found"),
        ({"patterns": (".{1,60}",)}, "is also"),
        ({"sources": ()}, "no source"),
        ({"sources": ({"url": "https://x.org", "read": True},)}, "of which date"),
        ({"sources": ({"url": "file:///x", "read": False},)}, "source"),
        ({"cure": "Install {wheel}."}, "nothing is called ['wheel']"),
        ({"cure": "Give pip --trusted-host pypi.org."}, "advises --trusted-host"),
        ({"why": "no full stop"}, "no sentence"),
        ({"after": ("nobody",)}, "no row is called nobody"),
        ({"confirmed_by": ("nothing",)}, "no finding called nothing"),
        ({"here": ({"when": {"moon": True}},)}, "no conditions ['moon']"),
        ({"here": ({"commands": [["rm", "-rf", "/"]]},)}, "no command"),
    ],
)
def test_each_rule_speaks_where_it_should(change: dict[str, object], fault: str) -> None:
    first, *rest = read_messages()
    found = SCRIPT.faults((replace(first, **change), *rest))  # type: ignore[arg-type]
    assert any(fault in line for line in found), found


def test_a_row_told_twice_is_seen() -> None:
    rows = read_messages()
    assert any(fault.endswith("twice") for fault in SCRIPT.faults((*rows, rows[0])))


@pytest.mark.parametrize("row", read_messages(), ids=lambda row: row.name)
def test_each_example_is_answered_by_its_row_first(row: Row) -> None:
    found = explain_message(row.example, READY)
    assert titles(found)[0] == row.title
    assert "{" not in found[0].detail.replace("state[", ""), found[0].detail


def test_a_cause_comes_before_what_follows_from_it_and_each_once() -> None:
    log = f"{OLD_DRIVER}\n{ON_CUDA}\n" * 4
    found = explain_message(log, READY)
    assert titles(found) == [
        "The NVIDIA driver is too old for this torch",
        "A file from a GPU is loaded where there is none",
    ]
    assert found[1].detail.startswith("This follows from the above")


def test_the_assertion_comes_before_the_cuda_errors_behind_it() -> None:
    log = (
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`\n"
        "Loss.cu:250: block: [0,0,0], thread: [7,0,0] Assertion `t >= 0 && t < n_classes` failed.\n"
    )
    assert titles(explain_message(log, READY))[0] == "A label is out of range (device-side assert)"


def test_how_the_program_ended_comes_before_what_was_caught_on_the_way() -> None:
    log = (
        "Traceback (most recent call last):\nModuleNotFoundError: No module named 'torch._six'\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\nModuleNotFoundError: No module named 'pkg_resources'\n"
    )
    assert titles(explain_message(log, READY)) == [
        "setuptools no longer has pkg_resources",
        "torch dropped torch._six",
    ]


def test_a_log_of_several_processes_with_colours_bars_and_windows_line_ends() -> None:
    log = "".join(
        f"\x1b[36m[rank{rank}]:\x1b[0m Traceback (most recent call last):\r\n"
        f" {rank}%|█  | 1/9\r {rank}%|██ | 2/9\r"
        f'[rank{rank}]:   File "/e/site-packages/torch/nn/functional.py", line 2900, in cross_entropy\r\n'
        f"[rank{rank}]: \x1b[1mtorch.OutOfMemoryError\x1b[0m: CUDA out of memory. Tried to allocate 2 MiB\r\n"
        for rank in range(8)
    )
    assert titles(explain_message(log, READY)) == ["The GPU's memory is full"]


def test_a_message_cut_by_the_window_is_found() -> None:
    message = "A" * 23 + " Failed to initialize NVML: Driver/library version mismatch" + " and so on" * 4
    cut = "\n".join(message[start : start + 60] for start in range(0, len(message), 60))
    assert "Driver/li\nbrary" in cut
    assert "kernel module" in explained(cut).detail


def test_the_answer_is_about_this_machine() -> None:
    torch = Torch("2.15.0", "13.2", None, CU13)
    here = explained(OLD_DRIVER, replace(READY, torch=torch, nvidia=nvidia("550.54.14", "6.1")))
    assert "On this machine the doctor finds: torch 2.15.0 is built for CUDA 13.2" in here.detail
    assert CU126 in lines(here)
    elsewhere = explained(OLD_DRIVER, READY)
    assert "On this machine" not in elsewhere.detail
    assert elsewhere.commands == ()


def test_a_message_of_another_environment_is_told_as_such() -> None:
    message = "RuntimeError: Numpy is not available"
    assert "comes from" in explained("AssertionError: Torch not compiled with CUDA enabled", READY).detail
    assert "another environment" in explained(message, replace(READY, numpy="2.3.0")).detail
    assert "NumPy 1.26.4 is installed here" in explained(message, replace(READY, numpy="1.26.4")).detail
    old = explained(message, replace(READY, torch=Torch("2.2.2", "12.1"), numpy="2.0.0"))
    assert "torch 2.2.2 here was built for NumPy 1" in old.detail
    assert lines(old)[-1] == "/env/bin/python -m pip install 'numpy<2'"


def test_a_command_is_for_the_package_manager_and_the_system() -> None:
    message = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    uv = replace(READY, installer="uv")
    assert lines(explained(message, uv)) == [
        "uv pip uninstall --python /env/bin/python opencv-python",
        "uv pip install --python /env/bin/python opencv-python-headless",
    ]
    assert explained(message, replace(READY, platform="win_amd64")).commands == ()


def test_nothing_is_installed_into_a_python_of_the_system() -> None:
    message = "The 'sklearn' PyPI package is deprecated, use 'scikit-learn' rather than 'sklearn'"
    closed = replace(READY, managers=Managers(made_by="", is_closed=True))
    first, *_, last = lines(explained(message, closed))
    assert "-m venv" in first
    assert last.endswith("-m pip install scikit-learn") and not last.startswith("/env/bin/python ")


def test_small_shared_memory_is_named() -> None:
    message = "RuntimeError: DataLoader worker (pid 47) is killed by signal: Bus error."
    assert "/dev/shm has 64 MiB here" in explained(message, replace(READY, shared_memory=64 * 2**20)).detail


def test_what_is_not_known_is_said_honestly() -> None:
    log = (
        'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n'
        '  File "/e/lib/python3.11/site-packages/timm/optim/lion.py", line 99, in step\n'
        "timm.optim.OddError: the lion sleeps\n"
    )
    found = explained(log, replace(BARE, packages={"timm": "1.0.31"}))
    assert found.detail.startswith("Not known here: timm.optim.OddError in timm, at ")
    assert "lion.py:99" in found.detail and "the lion sleeps" in found.detail
    assert "the issues of timm 1.0.31" in found.cure
    assert "no Python exception" in explained("make: *** [all] Error 2", READY).detail


def test_an_unknown_end_is_told_beside_what_is_known() -> None:
    first, last = explain_message("AssertionError: Torch not compiled with CUDA enabled\nOddError: no", READY)
    assert first.detail.startswith("torch is a CPU build")
    assert last.detail == "Not known here: OddError: no"


def test_an_end_of_several_lines_is_known_by_any_of_them() -> None:
    text = 'RuntimeError: Error(s) in loading state_dict for Net:\n\tMissing key(s) in state_dict: "a".'
    assert titles([explained(text)]) == ["The weights are for another network"]
    built = "Getting requirements to build wheel: error\nModuleNotFoundError: No module named 'torch'"
    assert titles([explained(built)]) == ["A package wants torch while it is built"]


def test_a_module_that_is_missing_is_known_by_whatever_name() -> None:
    found = explained("ModuleNotFoundError: No module named 'mmcv.ops'")
    assert "finds no module mmcv.ops" in found.detail
    assert found.commands == ()  # a guessed name may be somebody else's package
    assert titles([explained("ModuleNotFoundError: No module named 'distutils.util'")]) != titles([found])


def test_nothing_is_said_of_nothing() -> None:
    assert explain_message("", READY) == explain_message(" \x1b[0m\n\r", READY) == []


def test_no_terminal_escape_of_the_input_is_given_back() -> None:
    nasty = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
    for text in (
        f"ValueError: {nasty}odd{nasty}",
        f'  File "{nasty}x.py", line 3\n{nasty}KeyError: {nasty}',
        f"size mismatch for fc{nasty}.weight: copying a param with shape torch.Size([2]) from checkpoint,"
        " the shape in current model is torch.Size([3])",
        f"Could not find a version that satisfies the requirement torch{nasty}==1",
        f"make: {nasty}",
    ):
        for finding in explain_message(text, READY):
            said = f"{finding.detail} {finding.cure} {' '.join(lines(finding))}"
            assert all(mark.isprintable() for mark in said), said


def test_what_the_input_names_cannot_become_a_command() -> None:
    text = "Could not find a version that satisfies the requirement torch==2.1.0+cu121;{executable}"
    assert explained(text, READY).commands == ()
    assert "/env/bin/python" not in explained(text, READY).detail


HOSTILE = """
from lensmith.diagnosis.messages import explain_message, read_messages
from machines import READY
for row in read_messages():
    words = row.example.split()
    for part in (row.example[: len(row.example) // 2], row.example[:-1], f"{words[0]} ", "".join(words)):
        text = part * (2**20 // len(part) + 1)
        for one in read_messages() if part == row.example[:-1] and row.name == "size-mismatch" else [row]:
            one.search(text)
for part in (" ", "a", "0", "[1, ", "torch", "undefined symbol: _ZN", "lib.so ", "Input type (", "\\n"):
    explain_message(part * (2**20 // len(part)), READY)
"""


def test_a_hostile_text_of_a_megabyte_does_not_hang() -> None:
    path = f"{ROOT / 'src'}{':' if sys.platform != 'win32' else ';'}{ROOT / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE], env={"PYTHONPATH": path}, timeout=300, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
