"""CUDA_VISIBLE_DEVICES as CUDA reads it."""

from __future__ import annotations

import pytest

from lensmith.diagnosis.visible import read_visible
from lensmith.machine.nvidia import Gpu

GPUS = (Gpu("A", uuid="GPU-aa11"), Gpu("B", uuid="GPU-bb22", slices=("MIG-cc33", "MIG-dd44")))


@pytest.mark.parametrize(
    ("value", "count", "fault"),
    [
        ("0", 1, ""),
        ("1,0", 2, ""),
        (" 0 , 1 ", 2, ""),
        ("GPU-bb", 1, ""),
        ("MIG-dd44", 1, ""),
        ("", 0, "it names none"),
        ("-1", 0, "it names none"),
        ("NoDevFiles", 0, "it names none"),
        ("2", 0, "there is no GPU 2"),
        # What comes before the first one that is not there is seen, what comes after it is not.
        ("0,7,1", 1, "there is no GPU 7"),
        ("0,-1,1", 1, "-1 ends the list"),
        ("-1,0", 0, "-1 ends the list"),
        ("0,0", 0, "0 stands there twice"),
        ("GPU-ee", 0, "no GPU has the UUID GPU-ee"),
        ("MIG-ee", 0, "there is no MIG slice MIG-ee"),
        ("all", 0, "'all' is neither a number nor a UUID"),
        ("cuda:0", 0, "'cuda:0' is neither a number nor a UUID"),
        ("0,", 1, "'' is neither a number nor a UUID"),
    ],
)
def test_lists(value: str, count: int, fault: str) -> None:
    seen = read_visible(value, GPUS)
    assert (seen.count, seen.fault) == (count, fault)


def test_names_that_cannot_be_checked_are_believed() -> None:
    unnamed = (Gpu("A"),)
    assert read_visible("GPU-zz", unnamed).count == 1
    assert read_visible("MIG-zz", unnamed).count == 1
