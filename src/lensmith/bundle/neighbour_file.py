"""`neighbours.safetensors`: what a bundle keeps of its training pictures, as bytes and back.

Written and read by hand: one tensor of one shape is all that there is, and whoever serves has no safetensors package.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from lensmith.bundle.facts import NEIGHBOURS
from lensmith.features.neighbours import Neighbours

MOST_NEIGHBOURS = 64 * 2**20
"""Bytes: 500 neighbours of 4,096 features take 4 million."""
_HEADER = 1024
_TENSOR = "features"


def neighbours_bytes(neighbours: Neighbours) -> bytes:
    """The file: a tensor `features`, float16 [n, D]."""
    content = neighbours.bank.astype("<f2").tobytes()
    facts = {"dtype": "F16", "shape": list(neighbours.bank.shape), "data_offsets": [0, len(content)]}
    header = json.dumps({_TENSOR: facts}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + content


def neighbours_from(content: bytes | None, limit: float | None) -> Neighbours | None:
    """What the file holds, with the limit of `bundle.json`; None where there is neither.

    Raises `ValueError` for a file of anything else.
    """
    if content is None or limit is None:
        return None
    rows, columns, start = _shape_in(content)
    if not (rows > 0 and columns > 0 and start + 2 * rows * columns == len(content)):
        raise ValueError(f"{NEIGHBOURS} holds {len(content) - start} bytes for {rows} x {columns} numbers")
    bank = np.frombuffer(content, "<f2", rows * columns, start).reshape(rows, columns)
    if not np.isfinite(bank).all():
        raise ValueError(f"{NEIGHBOURS} holds what is no number")
    return Neighbours(bank.astype(np.float16), limit)


def _shape_in(content: bytes) -> tuple[int, int, int]:
    """Rows, columns, and where the numbers begin."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        if length > _HEADER:
            raise ValueError("a header of its own")
        table: Any = json.loads(content[8 : 8 + length])
        facts = table.pop(_TENSOR)
        rows, columns = facts["shape"]
        offsets = [0, 2 * rows * columns]
        if type(rows) is not int or type(columns) is not int or facts["dtype"] != "F16":
            raise ValueError("another kind of tensor")
        if facts["data_offsets"] != offsets or set(table) - {"__metadata__"}:
            raise ValueError("other tensors")
    except (ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError) as error:
        raise ValueError(f"{NEIGHBOURS} is not one tensor {_TENSOR}, F16 [n, D] ({error})") from error
    return rows, columns, 8 + length
