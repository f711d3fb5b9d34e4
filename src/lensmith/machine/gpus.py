"""Compute capabilities of NVIDIA GPUs by name, as people and nvidia-smi write it: the rules over `gpus.json`."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from typing import Any

from lensmith.machine.tables import load_table

# What a name may carry that says nothing about the chip: the maker, the form, the memory.
_NOISE = re.compile(
    r"nvidia|graphics|card|gpu|laptop|mobile|notebook|max|maxq|q|with|design|super|generation|edition|workstation"
    r"|server|desktop|developer|kit|pcie|sxm\d*|nvl\d*|hbm\d*e?|dgx|hgx|d|oem|\d+ ?(?:gb|gib|g)|memory|vram"
)
_LINES = frozenset(("geforce", "quadro", "tesla", "jetson"))
_BRANDS = _LINES | {"rtx", "gtx", "gt"}
_NONE: frozenset[str] = frozenset()
_GENERATIONS = frozenset(
    ("kepler", "maxwell", "pascal", "volta", "turing", "ampere", "ada", "lovelace", "hopper", "blackwell")
)


def capability_of(name: str) -> str | None:
    """The compute capability ("8.6") of `GeForce RTX 3090`, `3090`, `A100-SXM4-80GB`; None where it is not known.

    None too where the name is that of several: an RTX 4000 is of 2018 (7.5) or 2023 (8.9).
    Source: NVIDIA's pages named in `gpus.json`.
    """
    found = capabilities_of(name)
    return found[0] if len(found) == 1 else None


def capabilities_of(name: str) -> tuple[str, ...]:
    """All that a name may stand for: none, one, or several where the maker used it again."""
    words = _core(name)
    if not words:
        return ()
    for key in (words, words - _GENERATIONS, words - _BRANDS, words - _BRANDS - _GENERATIONS):
        if key and (found := _index().get(key)):
            return found
    return ()


def gpu_names() -> list[str]:
    """The names in the table, newest first."""
    return [name for row in _table()["gpus"] for name in row["names"]]


def _core(name: str) -> frozenset[str]:
    """The words of a name that tell the chip. A MIG slice is a part of its GPU, and has its capability."""
    text = re.sub(r"\bmig\b.*", "", name.lower())
    text = re.sub(r"[^a-z0-9]+", " ", text)
    text = re.sub(r"\b(rtx|gtx|gt|titan|quadro|tesla|geforce)(?=[a-z]?\d)", r"\1 ", text)
    text = re.sub(r"(?<=\d)(ti|super)\b", r" \1", text)
    return frozenset(word for word in text.split() if not _NOISE.fullmatch(word))


@functools.cache
def _index() -> dict[frozenset[str], tuple[str, ...]]:
    """The names by their words. A shorter form of a name counts only where no name is written so in full."""
    full: dict[frozenset[str], set[str]] = defaultdict(set)
    short: dict[frozenset[str], set[str]] = defaultdict(set)
    for row in _table()["gpus"]:
        for name in row["names"]:
            words = _core(name)
            full[words].add(row["capability"])
            for brands in (_NONE, _LINES, _BRANDS):
                for generations in (_NONE, _GENERATIONS):
                    short[words - brands - generations].add(row["capability"])
    return {key: tuple(sorted(value, key=float)) for key, value in (short | full).items() if key}


def _table() -> dict[str, Any]:
    return load_table(__package__, "gpus")
