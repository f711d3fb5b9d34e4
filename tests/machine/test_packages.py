"""Installed packages, read without importing them."""

from __future__ import annotations

from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from lensmith.machine.packages import (
    find_damage,
    parse_compiled,
    parse_version,
    read_extras,
    read_torch,
    read_torchvision,
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
def test_compiled_list_inside_a_library(content: bytes, compiled: tuple[str, ...]) -> None:
    assert parse_compiled(content) == compiled


def test_what_is_read_is_what_torch_says() -> None:
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    found, vision = read_torch(), read_torchvision()
    assert found is not None and vision is not None
    assert found.version.partition("+")[0] == torch.__version__.partition("+")[0]
    assert (found.cuda, found.hip) == (torch.version.cuda, torch.version.hip)
    flags = torch._C._cuda_getArchFlags() if torch.version.cuda else ""
    assert list(found.capabilities) == [flag[3:] for flag in (flags or "").split() if flag.startswith("sm_")]
    assert found.damaged == ()
    assert vision.version.partition("+")[0] == torchvision.__version__.partition("+")[0]


def wheel(folder: Path, *, recorded: int, length: int | None, installer: str = "pip") -> Distribution:
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
    return PathDistribution(info)


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
    tmp_path: Path, length: int | None, installer: str, damaged: tuple[str, ...]
) -> None:
    assert find_damage(wheel(tmp_path, recorded=4000, length=length, installer=installer)) == damaged


def test_extras_are_those_of_the_package() -> None:
    extras = read_extras()
    assert {"torch", "safetensors", "onnxruntime", "fastapi"} <= extras.versions.keys()
    assert not {"typer", "ruff", "numpy"} & extras.versions.keys()
    assert extras.unmet.keys() == {"train", "serve"}
