"""Which commands mend a machine, by what made its environment: each row is somebody's terminal."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from machines import BARE, CUDA12, READY, TRAIN, find, lines, nvidia

from lensmith.diagnosis.cures import ensure_pip, install, pair_torchvision, remove, replace_pair
from lensmith.diagnosis.doctor import diagnose
from lensmith.diagnosis.homes import home_of, know_conda
from lensmith.diagnosis.mending import commands_to_run, commands_to_show, is_ours
from lensmith.diagnosis.quoting import paste
from lensmith.machine.builds import find_build
from lensmith.machine.facts import Machine
from lensmith.machine.managers import Managers

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the commands are compared as POSIX shells take them"
)
OLD_DRIVER = nvidia("550.54.14", "8.9")
CU126 = find_build("linux_x86_64", "580.95.05", ["6.1"])

CONDA = replace(
    BARE,
    environment="conda",
    executable="/opt/conda/envs/x/bin/python",
    prefix="/opt/conda/envs/x",
    managers=Managers("conda", ("pip", "conda")),
)
BASE = replace(
    CONDA,
    executable="/opt/conda/bin/python",
    prefix="/opt/conda",
    managers=Managers("conda", ("pip", "conda"), is_base=True),
)
SYSTEM = replace(
    BARE,
    environment="none",
    executable="/usr/bin/python3",
    prefix="/usr",
    managers=Managers("", ("pip",), is_closed=True),
)
PIXI = replace(
    BARE,
    environment="conda",
    executable="/w/my app/.pixi/envs/default/bin/python",
    prefix="/w/my app/.pixi/envs/default",
    installer="",
    managers=Managers("pixi", ("pixi",)),
)
UV = replace(BARE, installer="uv", managers=Managers("uv", ("uv",)))


def commands(machine: Machine) -> list[str]:
    return [paste(command) for command in commands_to_run(diagnose(machine))]


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (BARE, [TRAIN]),
        (UV, ["uv pip install --python /env/bin/python 'lensmith[train]'"]),
        # Wheels also in a conda environment, by its own pip.
        (CONDA, ["/opt/conda/envs/x/bin/python -m pip install 'lensmith[train]'"]),
        (PIXI, ["pixi add --manifest-path '/w/my app' --pypi 'lensmith[train]'"]),
        (
            BASE,
            [
                "conda create -y -p /opt/conda/envs/lensmith python=3.13 pip",
                "/opt/conda/envs/lensmith/bin/python -m pip install 'lensmith[train]'",
            ],
        ),
        (
            replace(BASE, managers=Managers("conda", ("pip",), is_base=True)),
            [
                "/opt/conda/bin/conda create -y -p /opt/conda/envs/lensmith python=3.13 pip",
                "/opt/conda/envs/lensmith/bin/python -m pip install 'lensmith[train]'",
            ],
        ),
        (
            SYSTEM,
            [
                "/usr/bin/python3 -m venv .venv",
                ".venv/bin/python -m pip install 'lensmith[train]'",
            ],
        ),
        (
            replace(SYSTEM, managers=Managers("", ("uv",), is_closed=True), installer="uv"),
            [
                "uv venv --allow-existing --python /usr/bin/python3 .venv",
                "uv pip install --python .venv/bin/python 'lensmith[train]'",
            ],
        ),
    ],
)
def test_a_first_install(machine: Machine, expected: list[str]) -> None:
    assert commands(machine) == expected


def test_a_new_environment_gets_what_the_driver_serves_and_everything_else() -> None:
    found = diagnose(replace(BASE, nvidia=OLD_DRIVER, unmet={"train": ("onnx>=1.18",)}))
    assert [one.name for one in found if one.commands] == ["environment"]
    assert lines(found[0])[1:] == [
        line.replace("/env/", "/opt/conda/envs/lensmith/") for line in (CUDA12, TRAIN)
    ]
    assert "base environment" in found[0].detail
    assert "conda activate lensmith" in found[0].cure
    torch = next(one for one in found if one.name == "torch")
    assert (torch.severity, torch.cure) == ("error", "")


def test_a_base_that_lacks_nothing_is_left_alone() -> None:
    ready = replace(BASE, torch=READY.torch, torchvision=READY.torchvision)
    assert all(one.ok for one in diagnose(ready))
    assert commands(ready) == []


def test_an_environment_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    python = tmp_path / "envs" / "lensmith" / "bin" / "python"
    here = replace(BASE, executable=sys.executable, prefix=str(tmp_path))
    assert commands(here)[0] == f"conda create -y -p {tmp_path}/envs/lensmith python=3.13 pip"
    python.parent.mkdir(parents=True)
    python.touch()
    assert [line.split()[0] for line in commands(here)] == [str(python)]
    assert "is there" in find(here, "environment").cure
    assert len(commands(replace(here, executable="/elsewhere/python"))) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_conda_of_somebody_else_gets_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conda").mkdir(mode=0o555)
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    here = replace(BASE, executable=sys.executable, prefix=str(tmp_path / "conda"))
    assert f"-p {tmp_path}/ann/.conda/envs/lensmith" in commands(here)[0]


def test_what_conda_brought_conda_replaces() -> None:
    forge = replace(
        CONDA,
        torch=READY.torch,
        torchvision=READY.torchvision,
        conda_build="pytorch-2.11.0-cpu_mkl_py311_h1234.json",
    )
    assert [paste(one) for one in replace_pair(forge, CU126)] == [
        "conda install -y -p /opt/conda/envs/x -c conda-forge 'pytorch-gpu>=2.10' 'torchvision>=0.25'"
    ]
    assert [paste(one) for one in replace_pair(forge, None)] == [
        "conda install -y -p /opt/conda/envs/x -c conda-forge 'pytorch>=2.10' 'torchvision>=0.25'"
    ]
    assert [paste(one) for one in pair_torchvision(forge, "2.11.0")] == [
        "conda install -y -p /opt/conda/envs/x -c conda-forge torchvision"
    ]


def test_the_channel_that_ended_is_left_for_wheels() -> None:
    ended = replace(CONDA, torch=READY.torch, conda_build="pytorch-2.5.1-py3.11_cuda12.4_cudnn9.1.0_0.json")
    remove, fetch = (paste(one) for one in replace_pair(ended, CU126))
    assert remove == "conda remove -y -p /opt/conda/envs/x pytorch"
    assert fetch.startswith("/opt/conda/envs/x/bin/python -m pip install 'torch>=2.10")
    assert fetch.endswith("/cu126")


def test_what_pip_put_into_a_conda_environment_pip_replaces() -> None:
    mixed = replace(CONDA, torch=READY.torch, torchvision=READY.torchvision)
    assert all("-m pip" in paste(one) for one in replace_pair(mixed, CU126))


def test_pixi_takes_the_index_and_removes_by_name() -> None:
    assert paste(install(PIXI, "torch==2.10.0", index="cu126")) == (
        "pixi add --manifest-path '/w/my app' --pypi"
        " --index https://download.pytorch.org/whl/cu126 torch==2.10.0"
    )
    assert paste(remove(PIXI, ["torch"])) == "pixi remove --manifest-path '/w/my app' --pypi torch"


def test_without_pixi_its_environment_is_one_like_others() -> None:
    alone = replace(PIXI, managers=Managers("pixi", ("pip",)), installer="pip")
    assert home_of(alone).tool == "pip"


def test_pip_comes_from_who_made_the_environment() -> None:
    assert paste(ensure_pip(CONDA)) == "conda install -y -p /opt/conda/envs/x pip"
    assert paste(ensure_pip(BARE)) == "/env/bin/python -m ensurepip --upgrade"


def test_a_conda_that_the_shell_does_not_know() -> None:
    script = "/root/miniconda3/etc/profile.d/conda.sh"
    rented = replace(READY, managers=Managers("", ("pip",), script))
    found = find(rented, "conda")
    assert found.ok
    assert lines(found) == [
        f"source {script}",
        "conda activate base",
        "/root/miniconda3/bin/conda init",
    ]
    assert commands(rented) == []  # nobody's start files are changed by --fix
    assert know_conda(replace(READY, managers=Managers("", ("pip", "conda"), script))) == ()
    inside = replace(CONDA, managers=Managers("conda", ("pip",), script))
    assert know_conda(inside)[1] == ("conda", "activate", "x")


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("/env/bin/python -m pip install torch", True),
        ("/env/bin/python3.11 -m venv .venv", True),
        (r"C:\env\python.exe -m pip install torch", True),
        ("uv pip install torch", True),
        ("/opt/conda/bin/conda install -y pip", True),
        ("pixi add --pypi torch", True),
        ("/opt/conda/bin/conda init", False),
        ("sudo apt install nvidia-driver-580", False),
        ("sudo /env/bin/python -m pip install torch", False),
        ("rmmod nvidia_uvm", False),
        ("wsl --shutdown", False),
        ("source x/conda.sh", False),
        ("/env/bin/python setup.py", False),
        ("/env/bin/python -c import-os", False),
        ("/env/bin/python", False),
        ("/tmp/python-evil -m pip install x", False),
        ("uv self update", False),
        ("reboot", False),
    ],
)
def test_only_what_changes_an_environment_is_run(line: str, ours: bool) -> None:
    assert is_ours(tuple(line.split(" "))) is ours


def test_a_cure_is_run_whole_or_not_at_all() -> None:
    found = find(BARE, "torch")
    by_hand = replace(found, commands=(("sudo", "reboot"), *found.commands))
    assert commands_to_run([by_hand]) == []
    assert commands_to_show([by_hand]) == list(by_hand.commands)
    assert commands_to_run([found, by_hand]) == list(found.commands)
