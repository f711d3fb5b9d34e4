"""What stands in the way of the torch that a repository asks for: its version, its index, and what goes with it."""

from __future__ import annotations

import re

from packaging.requirements import Requirement
from packaging.version import Version

from lensmith.repositories.asked import Asked, exact_version, requirement_of
from lensmith.repositories.reading import Wanted
from lensmith.repositories.tables import table

Rows = list[tuple[Wanted, Requirement]]
_FOR_NUMPY_2 = Version("2.3")
_FOR_BLACKWELL = Version("2.7")


def tell_torch(asked: Asked, imported: list[str]) -> None:
    """Note every fault of torch and of what is released with it; imported: places that import torch."""
    rows = [(one, requirement) for one in asked.wanted if (requirement := requirement_of(one.requirement))]
    for one, requirement in rows:
        _tell_local(asked, one, requirement)
        if one.channel == "conda" and (
            "cpu" in re.split(r"[=_]", one.original) or requirement.name == "cpuonly"
        ):
            _tell_cpu(asked, one)
    torch = [row for row in rows if row[1].name.lower() in ("torch", "pytorch") and not row[1].url]
    if not torch:
        for place in imported[:1]:
            _tell_unpinned(asked, place)
        return
    one, requirement = torch[0]
    newest = exact_version(requirement) or _upper(requirement)
    if not str(requirement.specifier):
        _tell_unpinned(asked, one.place)
    elif newest:
        _tell_age(asked, one, newest)
        _tell_numpy(asked, one, newest, rows)
        _tell_pairs(asked, newest, rows)


def _tell_unpinned(asked: Asked, place: str) -> None:
    words = "torch without a version: today's needs driver 580 (CUDA 13) and a GPU of compute capability 7.5"
    words += " or more, and reads checkpoints otherwise since 2.6"
    cure = "Take the newest torch of the repository's last day that fits GPU and driver; the plan does."
    asked.fault("unpinned torch", "warning", words, cure, place)


def _tell_local(asked: Asked, one: Wanted, requirement: Requirement) -> None:
    local = re.search(r"==\s*([\w.]+)\+([\w.]+)", str(requirement.specifier))
    if local is None:
        return
    if cuda := re.fullmatch(r"cu(\d+)(\d)", local[2]):
        asked.cuda.insert(0, (f"{cuda[1]}.{cuda[2]}", one.place))
    index = f"https://download.pytorch.org/whl/{local[2]}"
    given = any("download.pytorch.org" in url for url, _ in asked.indexes)
    words = f'`{one.original}` is on no default index ("Could not find a version that satisfies"), but on'
    words += " PyTorch's own, which is asked" if given else f" {index}, which is not asked"
    words += ", for the Pythons of its time only"
    cure = f"Add --extra-index-url {index}, or leave out +{local[2]}; and see that the Python fits."
    asked.fault("local version", "warning" if given else "error", words, cure, one.place)
    if local[2] == "cpu":
        _tell_cpu(asked, one)


def _tell_cpu(asked: Asked, one: Wanted) -> None:
    words = f"`{one.original}` brings a build without CUDA, also to a machine with a GPU"
    asked.fault(
        "CPU build",
        "warning",
        words,
        "On a GPU take the build for its CUDA; the plan does.",
        one.place,
    )


def _tell_age(asked: Asked, one: Wanted, torch: Version) -> None:
    if torch >= _FOR_BLACKWELL:
        return
    words = f"torch=={torch} has no code for GPUs of 2025 and later (sm_100, sm_120 as in an RTX 5090):"
    words += ' it installs there and ends with "no kernel image is available"'
    cure = "On such a GPU take torch >= 2.7 with CUDA 12.8 or later; the plan compares it with this machine."
    asked.fault("old torch", "info", words, cure, one.place)


def _tell_numpy(asked: Asked, one: Wanted, torch: Version, rows: Rows) -> None:
    if torch >= _FOR_NUMPY_2:
        return
    numpy = [requirement for _, requirement in rows if requirement.name.lower() == "numpy"]
    ends = [exact_version(each) or _upper(each) for each in numpy]
    if not any(end and end <= Version("2") for end in ends) and not any(
        "~=1" in str(each.specifier) for each in numpy
    ):
        words = f"torch {torch} was built for numpy 1, and nothing keeps numpy below 2:"
        words += ' "A module that was compiled using NumPy 1.x cannot be run in NumPy 2"'
        asked.fault("numpy 2", "warning", words, "Add numpy<2; the plan does.", one.place)


def _upper(requirement: Requirement) -> Version | None:
    """Where a range ends."""
    found = re.search(r"<=?\s*(\d+(?:\.\d+)*)", str(requirement.specifier))
    return Version(found[1]) if found else None


def _tell_pairs(asked: Asked, torch: Version, rows: Rows) -> None:
    """torchvision and torchaudio that were released with another torch."""
    series = [row for row in table("wheel_ranges")["torch_pairs"] if _begins(row["torch"], torch)]
    for one, requirement in rows:
        name, pin = requirement.name.lower(), exact_version(requirement)
        pairs = (
            [each for row in series for each in row[name]] if name in ("torchvision", "torchaudio") else []
        )
        if pin is None or not pairs or any(_begins(each, pin) for each in pairs):
            continue
        words = f"torch {torch} and {name} {pin} do not pair: the resolver refuses them"
        words += ', or "operator torchvision::nms does not exist"' if name == "torchvision" else ""
        asked.fault("torch pair", "error", words, f"With torch {torch} goes {name} {pairs[-1]}.", one.place)


def _begins(release: str, pin: Version) -> bool:
    """Whether a pin, which may leave out its last number, is of that release."""
    return Version(release).release[: len(pin.release)] == pin.release
