"""The same training on one process and on several: without norms of batches, in float64, to 12 digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from fitted_in_shares import CASES, run
from torchrun import torchrun

from lensmith.machine.processes import ALONE

SCRIPT = Path(__file__).with_name("fitted_in_shares.py")
SEVERAL = [3, *(pytest.param(count, marks=pytest.mark.slow) for count in (2, 4))]
EQUAL = [name for name in CASES if name not in ("norms", "uneven", "summed")]
Found = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def alone() -> Found:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {name: run(ALONE, case) for name, case in CASES.items()}
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=SEVERAL)
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    place = tmp_path_factory.mktemp("shares")
    # What raises comes last: those that are refused leave nothing behind for the others.
    names = sorted(CASES, key=lambda name: name in ("uneven", "summed"))
    done = torchrun(request.param, SCRIPT, "found.json", *names, cwd=place)
    assert done.returncode == 0, done.stderr
    found: Found = json.loads((place / "found.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", EQUAL)
def test_losses_and_weights_are_those_of_one_process(alone: Found, together: Found, name: str) -> None:
    one, other = alone[name], together[name]
    assert len(one["losses"]) >= 24
    assert other["losses"] == pytest.approx(one["losses"], rel=1e-12)
    assert other["weights"].keys() == one["weights"].keys()
    for key, values in one["weights"].items():
        assert other["weights"][key] == pytest.approx(values, rel=1e-12, abs=1e-14)
    assert other["gradients"] == one["gradients"]  # a layer that nothing goes through is left alone by all


def test_one_process_without_memory_makes_all_compute_in_parts(together: Found) -> None:
    assert together["sgd"]["parts"] == 1
    assert together["no memory"]["parts"] > 1


def test_statistics_of_norms_are_those_of_all_shares(alone: Found, together: Found) -> None:
    """Each share is normalised by itself, so numbers are not equal; but nothing of the data is left out."""
    one, other = alone["norms"], together["norms"]
    assert other["weights"]["1.running_mean"] == pytest.approx(one["weights"]["1.running_mean"], abs=0.05)
    assert other["losses"] == pytest.approx(one["losses"], rel=0.05)


def test_a_mean_of_shares_that_differ_in_size_is_refused(alone: Found, together: Found) -> None:
    assert "error" not in alone["uneven"]
    assert "uneven shares of 7 pictures" in together["uneven"]["error"]
    assert "reduction='none'" in together["uneven"]["hint"]


def test_a_loss_that_grows_with_the_batch_is_refused(together: Found) -> None:
    assert "reduction='sum'" in together["summed"]["error"]
