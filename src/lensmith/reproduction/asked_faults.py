"""What stands in the way of the packages that a repository asks for, before any of them is installed."""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lensmith.reproduction.asked import Asked, name_of, requirement_of
from lensmith.reproduction.python_files import Code
from lensmith.reproduction.reading import Wanted

_IMPORT_NAMES = {
    "sklearn",
    "cv2",
    "pil",
    "yaml",
    "skimage",
    "bs4",
    "crypto",
    "dotenv",
    "dateutil",
    "git",
    "serial",
    "fitz",
}
_PLACEHOLDERS = {
    "sklearn": "The 'sklearn' PyPI package is deprecated, use 'scikit-learn'",
    "pytorch": "You should install pytorch from http://pytorch.org",
}
_PRE_NUMPY_2 = Version("2.3")
_TORCH = {"torch", "pytorch"}


@functools.cache
def _ranges() -> dict[str, Any]:
    text = resources.files("lensmith.reproduction").joinpath("wheel_ranges.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def tell_asked(asked: Asked, code: Code) -> None:
    """Note every fault of what is asked for."""
    for one in asked.wanted:
        requirement = requirement_of(one.requirement)
        if requirement is not None:
            _tell_name(asked, one, requirement)
            _tell_local(asked, one, requirement)
            _tell_wheels(asked, one, requirement)
    _tell_torch(asked, code)
    _tell_undeclared(asked, code)


def undeclared(asked: Asked, code: Code) -> tuple[str, ...]:
    """Distributions that the code cannot do without and that nothing asks for."""
    known = {name_of(one) for one in asked.wanted}
    families = {
        "torch": {"pytorch", "pytorch-gpu", "pytorch-cpu"}, "opencv-python": {"opencv", "py-opencv", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless", "cv2"},
        "scikit-learn": {"sklearn"}, "pillow": {"pil", "pillow-simd"}, "pyyaml": {"yaml"}, "scikit-image": {"skimage"}, "tensorflow": {"tensorflow-gpu", "tensorflow-cpu"},
        "matplotlib": {"matplotlib-base"}, "onnxruntime": {"onnxruntime-gpu"}, "faiss-cpu": {"faiss-gpu", "faiss"}, "mmcv": {"mmcv-full", "mmcv-lite"},
        "beautifulsoup4": {"bs4"}, "setuptools": set(), "pytorch-lightning": {"lightning"}, "tables": {"pytables"}, "pycryptodome": {"crypto"},
        "nvidia-ml-py": {"pynvml", "nvidia-ml-py3"}, "grad-cam": {"pytorch-grad-cam"}, "pywavelets": {"pywt"}, "mmdet": {"mmdetection"},
    }  # fmt: skip
    return tuple(
        name
        for name in sorted(code.needed)
        if canonicalize_name(name) not in known
        and not families.get(name, set()) & known
        and name != "setuptools"
    )


def _tell_name(asked: Asked, one: Wanted, requirement: Requirement) -> None:
    name = requirement.name.lower()
    if one.channel == "conda" or requirement.url:
        return
    if name in _IMPORT_NAMES:
        right = _real_name(name)
        said = (
            f'pip ends with "{_PLACEHOLDERS[name]}"'
            if name in _PLACEHOLDERS
            else "the index has no such package, or a stranger's"
        )
        words = f"`{requirement.name}` is the name of the import: {said}; the package is {right}"
        asked.fault(
            name if name == "sklearn" else "import name",
            "error",
            words,
            f"Write {right}; the plan does.",
            one.place,
        )
    elif name == "pytorch":
        words = f'`pytorch` on the index is a placeholder that fails on purpose ("{_PLACEHOLDERS[name]}")'
        asked.fault("import name", "error", words, "Write torch; the plan does.", one.place)


def _real_name(name: str) -> str:
    text = resources.files("lensmith.reproduction").joinpath("import_names.json").read_text(encoding="utf-8")
    return {module.lower(): real for module, real in json.loads(text)["names"].items()}[name]


def _tell_local(asked: Asked, one: Wanted, requirement: Requirement) -> None:
    local = re.search(r"==\s*([\w.]+)\+([\w.]+)", str(requirement.specifier))
    if local is None:
        return
    if cuda := re.fullmatch(r"cu(\d+)(\d)", local[2]):
        asked.cuda.insert(0, (f"{cuda[1]}.{cuda[2]}", one.place))
    index = f"https://download.pytorch.org/whl/{local[2]}"
    given = any("download.pytorch.org" in url for url, _ in asked.indexes)
    words = f'`{one.original}` is on no default index ("Could not find a version that satisfies")'
    words += (
        f"; {index} has it, for the Pythons of its time only"
        if not given
        else "; it is on PyTorch's own index, for the Pythons of its time only"
    )
    cure = f"Add --extra-index-url {index}, or leave out +{local[2]}; and see that the Python fits."
    asked.fault("local version", "warning" if given else "error", words, cure, one.place)
    if local[2] == "cpu":
        words = f"`{one.original}` is a build without CUDA, also on a machine with a GPU"
        asked.fault("CPU build", "warning", words, "Leave out +cpu where there is a GPU.", one.place)


def _pin(requirement: Requirement) -> Version | None:
    """The version that is asked for exactly."""
    found = re.search(r"==\s*(\d[\w.]*?)(?:\.\*|\+[\w.]+)?(?:,|$)", str(requirement.specifier))
    try:
        return Version(found[1]) if found else None
    except InvalidVersion:
        return None


def _tell_wheels(asked: Asked, one: Wanted, requirement: Requirement) -> None:
    """A pin for which new Pythons have no wheel."""
    name = canonicalize_name(requirement.name)
    name = "torch" if name == "pytorch" else name
    pin, ranges = _pin(requirement), _ranges()["wheels"].get(name)
    if pin is None or ranges is None:
        return
    fits = [
        python
        for python, (first, last) in ranges.items()
        if _same(pin, first) or Version(first) <= pin <= Version(last)
    ]
    newest = max(ranges, key=Version)
    if not fits or max(fits, key=Version) == newest:
        return
    last = max(fits, key=Version)
    without = next(python for python in sorted(ranges, key=Version) if Version(python) > Version(last))
    said = any(_excludes(text, without) for text, _ in asked.python)
    built = "pip says that no matching distribution is found" if name in ("torch", "torchvision", "torchaudio", "tensorflow") else (
        "pip builds it from source, which needs a compiler and mostly fails"
        + (" (pkgutil has no attribute ImpImporter)" if name == "numpy" and Version(without) >= Version("3.12") else "")
    )  # fmt: skip
    words = f"{name}=={pin} has no wheel for Python {without} and later: {built}"
    first = ranges[without][0]
    cure = f"Take Python {last} or an older Python, or {name}>={first}."
    # Whether it matters depends on the Python that is taken, which the plan knows.
    asked.fault(
        "no wheel for new Pythons",
        "info" if said or Version(without) > Version("3.12") else "warning",
        words,
        cure,
        one.place,
    )


def _same(pin: Version, first: str) -> bool:
    """`==2.2` of conda's `2.2.*` is the series that begins with 2.2.0."""
    return len(pin.release) < 3 and pin.release == Version(first).release[: len(pin.release)]


def _excludes(specifier: str, python: str) -> bool:
    """Whether a range of Pythons ends before one."""
    return any(
        Version(version) < Version(python) or (sign == "<" and Version(version) <= Version(python))
        for sign, version in re.findall(r"(==|<=|<)\s*(\d+\.\d+)", specifier)
    )


def _tell_torch(asked: Asked, code: Code) -> None:
    rows = [(one, requirement) for one in asked.wanted if (requirement := requirement_of(one.requirement))]
    torch = [
        (one, requirement)
        for one, requirement in rows
        if requirement.name.lower() in _TORCH and not requirement.url
    ]
    if not torch:
        return
    one, requirement = torch[0]
    pin = _pin(requirement)
    if not str(requirement.specifier):
        words = "torch without a version: today's needs a new driver (CUDA 13: 580) and a GPU of compute capability 7.5 or more, and reads checkpoints otherwise since 2.6"
        asked.fault(
            "unpinned torch",
            "warning",
            words,
            "Take the newest torch of the repository's last day that fits GPU and driver; the plan does.",
            one.place,
        )
        return
    upper = pin or _upper(requirement)
    if upper is None:
        return
    if upper < Version("2.7"):
        words = f'torch {upper} has no code for GPUs of 2025 and later (sm_100, sm_120, from 2.7 with CUDA 12.8 on): there it ends with "no kernel image is available"'
        asked.fault(
            "old torch",
            "info",
            words,
            "On such a GPU take torch >= 2.7; the plan compares it with this machine.",
            one.place,
        )
    _tell_numpy(asked, code, one, upper, rows)
    _tell_pairs(asked, one, upper, rows)


def _upper(requirement: Requirement) -> Version | None:
    found = re.search(r"<=?\s*(\d+(?:\.\d+)*)", str(requirement.specifier))
    return Version(found[1]) if found else None


def _tell_numpy(
    asked: Asked, code: Code, one: Wanted, torch: Version, rows: list[tuple[Wanted, Requirement]]
) -> None:
    if torch >= _PRE_NUMPY_2:
        return
    numpy = [requirement for _, requirement in rows if requirement.name.lower() == "numpy"]
    ends = any(_pin(each) or _upper(each) or "~=" in str(each.specifier) for each in numpy)
    pinned_2 = any((pin := _pin(each)) and pin.major >= 2 for each in numpy)
    if pinned_2 or not ends:
        words = f'torch {torch} was built for numpy 1, and nothing keeps numpy below 2: "A module that was compiled using NumPy 1.x cannot be run in NumPy 2"'
        asked.fault("numpy 2", "warning", words, "Add numpy<2; the plan does.", one.place)


def _tell_pairs(asked: Asked, one: Wanted, torch: Version, rows: list[tuple[Wanted, Requirement]]) -> None:
    series = f"{torch.major}.{torch.minor}"
    row = next((pair for pair in _ranges()["torch_pairs"] if pair["torch"] == series), None)
    for other, requirement in rows:
        name, pin = requirement.name.lower(), _pin(requirement)
        if row is None or pin is None or name not in ("torchvision", "torchaudio"):
            continue
        if f"{pin.major}.{pin.minor}" != row[name]:
            words = f'torch {torch} and {name} {pin} do not pair: the resolver refuses them, or "operator torchvision::nms does not exist"'
            asked.fault(
                "torch pair", "error", words, f"With torch {series} goes {name} {row[name]}.", other.place
            )


def _tell_undeclared(asked: Asked, code: Code) -> None:
    missing = undeclared(asked, code)
    if not missing:
        return
    words = f"imported and not declared: {', '.join(missing[:12])}" + (
        f" and {len(missing) - 12} more" if len(missing) > 12 else ""
    )
    for name in missing:
        asked.fault(
            "undeclared",
            "warning",
            words,
            "Add them to what is installed; the plan guesses by their names.",
            code.imports[name][0],
        )
