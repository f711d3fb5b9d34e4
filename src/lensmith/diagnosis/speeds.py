"""How fast a device is expected to be: the rules over `expected_speeds.json`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lensmith.machine.tables import load_table


@dataclass(frozen=True)
class Expected:
    """Teraflops of a matrix product: below `low` something holds the device back; `high` is the peak."""

    low: float
    high: float
    source: str


def read_speeds() -> dict[str, Any]:
    """The table as it stands in the package."""
    return load_table(__package__, "expected_speeds")


def expected_of_gpu(name: str, precision: str) -> Expected | None:
    """What the GPU of that name is expected to do in `float32`, `tf32` or `bfloat16`; None where it is not known.

    A slice of a GPU (MIG) and a laptop's GPU bear the name of a larger one, and nothing is known of them.
    """
    words = re.sub(r"^(NVIDIA|Tesla|Quadro)\s+", "", re.sub(r"^NVIDIA\s+", "", name.strip()))
    if re.search(r"\b(MIG|Laptop|Mobile|Max-Q)\b", words):
        return None
    rows = [row for row in read_speeds()["gpus"] if _begins(words, row["name"])]
    row = max(rows, key=lambda row: len(row["name"]), default=None)
    if row is None or precision not in row:
        return None
    return Expected(row[precision] * read_speeds()["gpu_share"][precision], row[precision], row["source"])


def expected_of_cpu(instructions: Sequence[str], threads: int) -> Expected:
    """What `threads` threads are expected to do in float32, by the widest instructions of the processor."""
    rows = read_speeds()["cpus"]
    row = next(row for row in rows if row["instruction"] in instructions or not row["instruction"])
    low, high = (bound * threads / 1000 for bound in row["float32"])
    return Expected(low, high, read_speeds()["sources"]["cpus"])


def _begins(words: str, name: str) -> bool:
    """`A100` begins `A100-SXM4-80GB`, and `RTX 3060` does not begin `RTX 3060 Ti`."""
    rest = words[len(name) :]
    return words.startswith(name) and not re.match(r"\w|\s*(?:Ti|SUPER|D)\b", rest)
