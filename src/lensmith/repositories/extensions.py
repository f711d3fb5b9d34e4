"""What has to be compiled: extensions of the repository itself, and packages that bring their own source alone."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

from lensmith.repositories.asked import Asked, requirement_of
from lensmith.repositories.python_files import Code
from lensmith.repositories.tables import table
from lensmith.repositories.tree import shown

_MMCV = {"mmcv", "mmcv-full"}


def read_extensions(asked: Asked, code: Code) -> tuple[str, ...]:
    """The places that compile; what each needs is noted as a fault."""
    own = _own(asked)
    sources = [path for path in asked.tree.files if path.endswith((".cu", ".cuh"))]
    cuda = f"nvcc of torch's own CUDA release{_of(asked)}, a C++ compiler that this nvcc takes,"
    cuda += " and TORCH_CUDA_ARCH_LIST for the GPU"
    for place, kind in own:
        needs = cuda if sources or kind == "CUDAExtension" else "a C++ compiler and Python's headers"
        words = f"the repository compiles its own code ({kind}): that needs {needs}"
        asked.fault(
            "compiled extension",
            "warning",
            words,
            "Have them ready before building; the wheels of torch bring no nvcc.",
            place,
        )
    if sources and not own:
        words = (
            f"CUDA sources ({len(sources)} .cu files), compiled by hand or at first use: that needs {cuda}"
        )
        asked.fault(
            "compiled extension", "warning", words, "Have them ready before running.", shown(sources[0])
        )
    others = _packages(asked, code, cuda)
    _tell_pkg_resources(asked, code)
    return tuple(dict.fromkeys([*(place for place, _ in own), *map(shown, sources[:20]), *others]))


def _of(asked: Asked) -> str:
    return f" (here {asked.cuda[0][0]})" if asked.cuda else ""


def _own(asked: Asked) -> list[tuple[str, str]]:
    """`(place, kind)` of setup.py files that define extensions, and of torch's `load(sources=...)`."""
    found = []
    for path in asked.tree.named(r"setup\.py", 6)[:30]:
        value = asked.parsed("setup", path)
        kinds = value.get("extensions", []) if isinstance(value, dict) else []
        found += [(f"{shown(path)}:{line}", kind) for kind, line in kinds if kind != "BuildExtension"]
    return found


def _packages(asked: Asked, code: Code, cuda: str) -> list[str]:
    places = []
    for one in asked.wanted:
        requirement = requirement_of(one.requirement)
        if requirement and canonicalize_name(requirement.name) in table("known_packages")["compiled"]:
            places.append(one.place)
            words = f"{requirement.name} is compiled where it is installed, unless a wheel fits exactly:"
            words += f" that needs {cuda}"
            cure = "Look for a wheel for this Python, torch and CUDA; else install torch first,"
            cure += " then it with --no-build-isolation."
            if canonicalize_name(requirement.name) in _MMCV:
                cure += " mmcv has wheels at https://download.openmmlab.com/mmcv/dist."
            asked.fault("compiled package", "warning", words, cure, one.place)
    wished = {
        requirement.name.lower() for one in asked.wanted if (requirement := requirement_of(one.requirement))
    }
    for name, address in code.source_only.items():
        if name not in wished:
            place = code.imports[name][0]
            words = f"{name} is on no index: it is installed from {address.removeprefix('git+')}"
            cure = "Install it from there, at a commit of that time;"
            cure += " what bears its name on the index is a stranger's."
            asked.fault("source only", "warning", words, cure, place)
            places += [place] if name in table("known_packages")["compiled"] else []
    return places


def _tell_pkg_resources(asked: Asked, code: Code) -> None:
    for one in asked.wanted:
        requirement = requirement_of(one.requirement)
        if requirement is None or canonicalize_name(requirement.name) not in _MMCV:
            continue
        if not re.search(r"==\s*2\.[2-9]", str(requirement.specifier)):
            words = "setup.py of mmcv imports pkg_resources, which setuptools 82 removed"
            words += " (\"No module named 'pkg_resources'\")"
            asked.fault(
                "pkg_resources",
                "warning",
                words,
                "Install setuptools<82, then mmcv with --no-build-isolation, or a wheel of it.",
                one.place,
            )
