"""A machine as a person describes it: `RTX 5090, driver 570, Python 3.11` -> what torch has to run on."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from lensmith.errors import UsageError
from lensmith.machine.builds import Target, min_driver
from lensmith.machine.facts import Machine
from lensmith.machine.gpus import capabilities_of, capability_of, gpu_names
from lensmith.machine.tables import load_table

_TORCH = re.compile(
    r"\b(?:py)?torch ?((?:[=<>!~]=?|===) ?[\w.+*]+(?:, ?[=<>!~]=? ?[\w.+*]+)*)|\b(?:py)?torch (\d+(?:\.\d+)+)"
)
_MOST = 500
"""Characters of a description."""
_PYTHON = re.compile(r"\b(?:python|py|cp)[ -]?v?(3\.\d+(?:\.\d+)?|3\d{1,2})\b")
_DRIVER = re.compile(
    r"\b(?:nvidia )?drivers?(?: version)?[ :=]*v?(\d{3}(?:\.\d+)*)\b|\b(\d{3}\.\d+(?:\.\d+)?) drivers?\b|\br(\d{3})\b"
)
_CUDA = re.compile(r"\b(?:cuda|cu)(?: version)?[ :=]*v?(\d{1,2}(?:\.\d+){1,2}|\d{2,3})\b")
_CAPABILITY = re.compile(r"\b(?:compute )?(?:capability|cc|sm)[ _:=]*(\d{1,2}\.\d|\d{2,3})\b")
_NO_GPU = re.compile(r"\b(?:no|without(?: an?)?) (?:nvidia )?(?:gpu|graphics card)s?\b|\bcpu(?:[- ]only)?\b")
_MANAGER = re.compile(r"\b(conda|mamba|micromamba|miniconda|miniforge|anaconda|pip|uv)\b")
_HERE = re.compile(r"\bthis (?:machine|computer|pc)\b|\bhere\b")
_IDLE = re.compile(
    r"\d+ ?(?:gb|gib) (?:of )?(?:ram|memory|vram)|\d+[- ]cores?"
    r"|a|an|the|in|on|my|of|pc|laptop|machine|server|box|gpus?|lts"
)
_COUNT = re.compile(
    r"\b\d{1,4} ?x (?=\w)|\b\d{1,4}x(?=[a-z])|\bx ?\d{1,4}\b"
    r"|\b\d{1,2} (?=(?:nvidia |geforce |tesla |quadro |rtx |gtx )*[a-z]*\d{2,4}\b)"
)


@dataclass(frozen=True)
class Described:
    """What was said, and what was taken for granted (`notes`).

    python, driver, system: None where nothing was said; gpus: as written; torch: a specifier, empty for
    the newest; manager: conda, pip or uv, empty for any.
    """

    platform: str
    python: str | None
    driver: str | None
    gpus: tuple[str, ...]
    capabilities: tuple[str, ...]
    system: str | None
    torch: str = ""
    manager: str = ""
    notes: tuple[str, ...] = ()

    def target(self, python: str) -> Target:
        """This machine with a Python, as builds are chosen for it."""
        return Target(self.platform, self.driver, self.capabilities, python, self.system)


def describe_machine(words: str, here: Callable[[], Machine] | None = None) -> Described:
    """Read a description; where it names no machine, or `this machine`, `here` is asked for it, and only then.

    Words may come in any order and with or without commas. Errors: UsageError names a word that is not known.
    """
    if len(words) > _MOST:
        raise UsageError(f"a description of {len(words):,} characters is none", hint=f"At most {_MOST}.")
    text = _Text(words)
    torch = _specifier(text)
    python = next((_dotted(found) for found in text.take(_PYTHON)), None)
    manager = next((_manager(found) for found in text.take(_MANAGER)), "")
    is_here = bool(text.take(_HERE))
    said = _read_machine(text)
    if here is not None and (is_here or not said):
        return _here(here(), python, torch, manager)
    return _described(said, python, torch, manager)


class _Text:
    """A description, from which what has been understood is taken out."""

    def __init__(self, words: str) -> None:
        words = "".join(str(unicodedata.decimal(one, one)) for one in words)  # digits of every script
        self.rest = " ".join(words.lower().replace("\u00d7", "x").split())

    def take(self, pattern: re.Pattern[str]) -> list[str]:
        """The first group that matched of each place, or all of it; the places are then gone."""
        found = [
            next((one for one in match.groups() if one), match.group())
            for match in pattern.finditer(self.rest)
        ]
        self.rest = pattern.sub(" ; ", self.rest)
        return found

    def pieces(self) -> list[str]:
        """What is left, piece by piece."""
        parts = re.split(r"[,;/+&|()]| and | with ", self.rest)
        return [part.strip(" .:-") for part in parts if part.strip(" .:-")]


def _read_machine(text: _Text) -> dict[str, Any]:
    """The words about hardware and system, as far as there are any."""
    said: dict[str, Any] = {}
    for row in systems()["systems"]:
        match = re.search(rf"\b(?:{row['words']})(?![\w.])", text.rest)
        if match and ("platform" not in said or said["platform"] == row["platform"]):
            said = {
                "note": "",
                **row,
                **said,
                **{key: value for key, value in match.groupdict().items() if value},
            }
            text.take(re.compile(re.escape(match.group())))
    for row in systems()["processors"]:
        if text.take(re.compile(rf"\b(?:{row['words']})\b")):
            said["processor"] = row["processor"]
    for name, pattern in (
        ("no_gpu", _NO_GPU),
        ("driver", _DRIVER),
        ("capability", _CAPABILITY),
        ("cuda", _CUDA),
    ):
        if found := text.take(pattern):
            said[name] = found[0]
    other = re.search(rf"\b(?:{systems()['other_gpus']})\b", text.rest)
    if other:
        raise UsageError(
            f"{other.group()!r} is not a GPU of NVIDIA; the builds known here are for those, for Macs and the CPU",
            hint="https://pytorch.org/get-started/locally tells the builds for AMD and Intel; or write: no GPU",
        )
    text.take(_COUNT)
    gpus = tuple(name for piece in text.pieces() if (name := _gpu(piece)))
    return said | ({"gpus": gpus} if gpus else {})


def _gpu(piece: str) -> str:
    """A piece that has to be the name of a GPU; empty where it says nothing."""
    kept = " ".join(word for word in piece.split() if not _IDLE.fullmatch(word))
    if not kept or _IDLE.fullmatch(piece):
        return ""
    found = capabilities_of(kept)
    if len(found) == 1:
        return kept
    if found:
        full = [name for name in gpu_names() if capability_of(name) in found and _resembles(kept, name)]
        raise UsageError(
            f"{kept!r} is the name of several GPUs, of compute capability {' and '.join(found)}",
            hint=f"Write one of: {', '.join(full[:4])}.",
        )
    names = {name.lower(): name for name in gpu_names()}
    short = {name.partition(" ")[2]: full for name, full in names.items() if " " in name}
    close = difflib.get_close_matches(kept, [*names, *short], n=1, cutoff=0.5)
    nearest = f"The nearest known name is {(names | short)[close[0]]}. " if close else ""
    raise UsageError(
        f"{kept!r} is not a GPU, system or version that is known here",
        hint=f"{nearest}Write for example: RTX 4090, driver 550, Python 3.11, Ubuntu 22.04, no GPU, sm_89.",
    )


def _resembles(kept: str, name: str) -> bool:
    return set(kept.split()) <= set(name.lower().split())


def _described(said: dict[str, Any], python: str | None, torch: str, manager: str) -> Described:
    gpus: tuple[str, ...] = () if "no_gpu" in said else said.get("gpus", ())
    notes = [said["note"]] if said.get("note") else []
    platform = _platform(said, gpus)
    if not said.get("platform"):
        notes.append(f"No system was named: {platform.replace('_', ', ', 1)} is taken.")
    if any(word in gpu for gpu in gpus for word in systems()["jetson"]["words"]):
        notes.append(systems()["jetson"]["note"])
    driver = None if "no_gpu" in said else _driver(said, platform, notes)
    found = [capability_of(gpu) for gpu in gpus]
    if "capability" in said and not gpus:
        value = said["capability"]
        found = [value if "." in value else f"{value[:-1]}.{value[-1]}"]
    capabilities = tuple(dict.fromkeys(one for one in found if one))
    return Described(
        platform, python, driver, gpus, capabilities, said.get("system"), torch, manager, tuple(notes)
    )


def _platform(said: dict[str, Any], gpus: tuple[str, ...]) -> str:
    name = said.get("platform", "linux")
    is_arm = any(word in gpu for gpu in gpus for word in systems()["aarch64"])
    processor = said.get("processor") or ("aarch64" if is_arm else "x86_64")
    if name == "win":
        return "win_arm64" if processor == "aarch64" else "win_amd64"
    if name == "macosx":
        return f"macosx_{'x86_64' if said.get('processor') == 'x86_64' else 'arm64'}"
    return f"{name}_{processor}"


def _driver(said: dict[str, Any], platform: str, notes: list[str]) -> str | None:
    """The driver that was said; or the oldest that shows the CUDA that was said."""
    driver: str | None = said.get("driver")
    if driver is None and "cuda" in said:
        cuda = said["cuda"] if "." in said["cuda"] else f"{said['cuda'][:2]}.{said['cuda'][2:] or 0}"
        notes.append(f"CUDA {cuda} is taken for what nvidia-smi shows: the newest that the driver serves.")
        older: dict[str, str] = systems()["drivers"]["of_cuda"]
        return min_driver(cuda, platform) or older.get(cuda, older["8.0"])
    if driver and "." not in driver:
        # A branch is meant, and each serves from its first release on.
        first = (min_driver(major, platform) or "" for major in ("11", "12", "13"))
        driver = next((one for one in first if one.split(".")[0] == driver), driver)
    return driver


def _here(machine: Machine, python: str | None, torch: str, manager: str) -> Described:
    gpus = tuple(gpu.name for gpu in machine.nvidia.gpus)
    found = (gpu.capability or capability_of(gpu.name) for gpu in machine.nvidia.gpus)
    capabilities = tuple(dict.fromkeys(one for one in found if one))
    mac = re.match(r"macOS (\d+(?:\.\d+)?)", machine.system)
    system = machine.libc or (mac.group(1) if mac else None)
    own, driver = python or machine.python, machine.nvidia.driver
    return Described(machine.platform, own, driver, gpus, capabilities, system, torch, manager)


def _specifier(text: _Text) -> str:
    found = [one.replace(" ", "") for one in text.take(_TORCH)]
    # `torch 2.1` means any release of it, `torch 2.1.2` that one.
    parts = [
        one if not one[0].isdigit() else f"=={one}{'.*' if one.count('.') == 1 else ''}" for one in found
    ]
    asked = ",".join(parts)
    try:
        for one in SpecifierSet(asked):
            Version(one.version.removesuffix(".*"))
    except (InvalidSpecifier, InvalidVersion) as error:
        raise UsageError(
            f"torch{asked} is no version", hint="Write for example torch==2.1.2 or torch<2.8."
        ) from error
    return asked


def _dotted(version: str) -> str:
    return version if "." in version else f"{version[0]}.{version[1:]}"


def _manager(word: str) -> str:
    return word if word in ("pip", "uv") else "conda"


def systems() -> dict[str, Any]:
    """The table of words, as it stands in the package."""
    return load_table(__package__, "systems")
