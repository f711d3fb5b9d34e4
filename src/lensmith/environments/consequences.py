"""What differs here from what a run used, and what follows from it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from packaging.version import Version

from lensmith.environments.installed import read_package
from lensmith.environments.recorded import plain
from lensmith.environments.used import used_facts
from lensmith.machine.builds import security_floor
from lensmith.machine.facts import Machine
from lensmith.machine.tables import load_table
from lensmith.runs.directory import RunDirectory

Level = Literal["nothing", "answers", "weights", "loads"]
LEVELS: tuple[Level, ...] = ("nothing", "answers", "weights", "loads")
_VERDICTS: dict[Level, str] = {
    "nothing": "the same weights and answers are promised here",
    "answers": "it loads here; answers may differ in the last digits",
    "weights": "it loads here; a repetition may end in other last digits, and answers may differ in theirs",
    "loads": "it will not load here",
}
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
"""What of the machine was a variable of the environment. Kernels and threads, which only torch can tell, are
not compared: instructions, versions and the recipe decide them."""


@dataclass(frozen=True)
class Consequence:
    """One thing that differs. level: what follows from it; why: in words."""

    name: str
    there: str | None
    here: str | None
    level: Level
    why: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return vars(self).copy()


def find_consequences(run: RunDirectory, machine: Machine) -> list[Consequence]:
    """What is not here as the run had it, the gravest first. No torch is imported.

    Errors: ModelFileError for a run whose facts name no versions.
    """
    versions, there, _ = used_facts(run)
    has_graph = (run.model / "graph.onnx").is_file()
    found = [*_packages(versions, has_graph), *_machine(there, machine)]
    return sorted(found, key=lambda one: -LEVELS.index(one.level))


def verdict_of(found: list[Consequence]) -> tuple[Level, str]:
    """The gravest level, and what it means in words."""
    level = LEVELS[max((LEVELS.index(one.level) for one in found), default=0)]
    return level, _VERDICTS[level]


def _packages(versions: dict[str, str], has_graph: bool) -> Iterator[Consequence]:
    runtime = read_package("onnxruntime") is not None
    for name, there in versions.items():
        package = read_package(name)
        here = package.version if package else None
        if here == there:
            continue
        level, why = _rule("packages", name)
        if name == "torch" and here is None:
            level = "weights" if has_graph and runtime else "loads"
            why = (
                "it predicts with ONNX Runtime, and cannot train"
                if level == "weights"
                else "nothing computes it"
            )
        elif name == "torch" and _older(here, str(security_floor())):
            level, why = "loads", f"lensmith loads no weights with a torch older than {security_floor()}"
        elif name == "lensmith" and _older(here, there):
            level, why = "loads", "an older lensmith may not read what a newer one wrote"
        yield Consequence(plain(name), plain(there), here, level, why)


def _machine(there: dict[str, Any], machine: Machine) -> Iterator[Consequence]:
    here: dict[str, str | None] = {
        "python": machine.python,
        "processor": machine.processor,
        "instructions": " ".join(machine.instructions),
        "cores": str(machine.cores),
        "platform": platform.platform(),
    }
    if "cuda" in there:
        here["cuda"] = machine.torch.cuda if machine.torch else None
    if "gpu" in there:
        gpus = [f"{gpu.name}, compute capability {gpu.capability}" for gpu in machine.nvidia.gpus]
        here["gpu"] = there["gpu"] if there["gpu"] in gpus else next(iter(gpus), None)
    if _kind(str(there.get("platform", ""))) != _kind(str(here["platform"])):
        level, why = _rule("machine", "system")
        yield Consequence(
            "system", _kind(str(there.get("platform", ""))), _kind(str(here["platform"])), level, why
        )
    for key, value in here.items():
        # A run of an earlier lensmith says less of its machine.
        if key in there and str(there[key]) != value:
            yield Consequence(key, plain(there[key]), value, *_rule("machine", key))
    for key, value in there.items():
        is_variable = _VARIABLE.fullmatch(key) is not None
        if is_variable and os.environ.get(key) != str(value):
            yield Consequence(key, plain(value), os.environ.get(key), *_rule("machine", "variable"))


def _kind(told: str) -> str:
    """`Linux-6.1-x86_64-with-glibc2.36` -> `Linux x86_64`, as far as it says so."""
    words = told.replace("macOS", "Darwin").split("-")
    known = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
    processor_name = next((known[word.lower()] for word in words if word.lower() in known), "")
    return f"{words[0]} {processor_name}".strip()


def _older(here: str | None, than: str) -> bool:
    try:
        return here is not None and Version(here) < Version(than)
    except ValueError:  # InvalidVersion, and what is too long to be a number
        return False


def _rule(part: str, name: str) -> tuple[Level, str]:
    row = _table()[part].get(name, {"level": "answers", "why": "what it decides is not known here"})
    return row["level"], row["why"]


def _table() -> dict[str, Any]:
    return load_table(__package__, "consequences")
