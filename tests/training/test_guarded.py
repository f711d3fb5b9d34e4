"""A training meets steps that cannot be made: it leaves them out, or makes them in parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from painted import paint_folder
from safetensors.torch import load_file
from torch import Tensor, nn

import lensmith as lm
from lensmith.batches.batches import stream_seed
from lensmith.errors import DataError
from lensmith.runs.files import read_json_lines, sha256_of

QUICK: dict[str, Any] = {
    "model": "tutorial_net", "image_size": 32, "epochs": 3, "batch_size": 8, "threads": 1, "device": "cpu",
    "precision": "float32",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    paint_folder(tmp_path / "set", ant=20, bee=20)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def is_in_step(*numbers: int) -> bool:
    """Whether this is called in one of these steps of a training by seed 0: each is seeded by its number."""
    return torch.initial_seed() in {stream_seed(f"0 step {number}") for number in numbers}


class Failing(nn.Module):
    """Cross entropy, but for some steps."""

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        value = nn.functional.cross_entropy(outputs, targets)
        return value * float("inf") if is_in_step(*self.steps) else value


def notes(run: lm.Run) -> list[str]:
    return [line["note"] for line in read_json_lines(run.directory.metrics_file) if "note" in line]


@pytest.mark.fault(32)
def test_some_steps_without_a_finite_gradient_are_left_out_and_told(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = lm.train("set", loss=Failing(2, 3, 7), out="run", **QUICK)
    assert [note.split(":")[0] for note in notes(run)] == ["step 2", "step 3", "step 7"]
    assert "step 2: left out, its gradient is no finite number" in capfd.readouterr().err
    assert run.report.values["accuracy"].value > 0.5  # what was kept is a network that learned


@pytest.mark.fault(32)
def test_five_on_end_end_the_training_and_name_the_pictures(place: Path) -> None:
    with pytest.raises(DataError, match=r"step 10: for 5 steps on end .*set/(ant|bee)/\d\d.png, ") as error:
        lm.train("set", loss=Failing(*range(6, 99)), out="run", quiet=True, **QUICK)
    assert "lower lr than" in error.value.hint
    # What was good is kept: the weights after step 5, which the left-out ones did not touch.
    kept = max(Path("run/checkpoints").glob("*[0-9]"))
    assert all(bool(value.isfinite().all()) for value in load_file(kept / "weights.safetensors").values())


class Greedy(nn.Module):
    """A network for which there is memory for so many pictures at a time, from a step on."""

    def __init__(self, most: int, since: int) -> None:
        super().__init__()
        front = [nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
        self.net = nn.Sequential(*front, nn.Linear(32, 2))
        self.most, self.steps = most, range(since, 99)

    def forward(self, images: Tensor) -> Tensor:
        if self.training and len(images) > self.most and is_in_step(*self.steps):
            torch.empty(2**62, dtype=torch.uint8)  # as much as no machine has: torch's own error
        found: Tensor = self.net(images)
        return found


def greedy(most: int, since: int) -> nn.Module:
    torch.manual_seed(3)
    return Greedy(most, since)


@pytest.mark.fault(33)
@pytest.mark.parametrize("since", [1, 6])
def test_a_batch_too_large_for_the_memory_goes_in_parts_and_a_repeat_follows(
    place: Path, since: int, capfd: pytest.CaptureFixture[str]
) -> None:
    run = lm.train("set", out="run", **QUICK | {"model": greedy(3, since)})
    assert "the memory is too small for a batch at once; going on with 4 parts" in capfd.readouterr().err
    recipe = run.directory.recipe()
    assert recipe.changes is not None and recipe.changes.split()[-1] == f"{since - 1}:accumulate=4"
    again = lm.train("set", recipe="run/recipe.toml", model=greedy(99, 1), out="again", quiet=True)
    assert sha256_of(again.path / "model/weights.safetensors") == sha256_of(
        run.path / "model/weights.safetensors"
    )


def test_parts_that_are_asked_for_change_little(place: Path) -> None:
    """Without batch norm, the sum of the parts is the batch, up to rounding."""
    whole = lm.train("set", out="whole", quiet=True, **QUICK)
    parts = lm.train("set", out="parts", quiet=True, accumulate=3, **QUICK)
    one, other = (load_file(run.path / "model/weights.safetensors") for run in (whole, parts))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4)


def test_a_training_ends_where_it_gets_no_better(place: Path) -> None:
    run = lm.train(
        "set", out="run", quiet=True, **QUICK | {"epochs": 60, "patience": 2, "test_fraction": 0.2}
    )
    lines = [line for line in read_json_lines(run.directory.metrics_file) if "index" in line]
    figures = [line["val_accuracy"] for line in lines]
    best = max(figures)
    assert len(lines) == figures.index(best) + 1 + 2 < 60
    last = len(figures) - figures[::-1].index(best)  # of equals the later
    assert run.directory.facts()["choices"]["keep"] == f"epoch {last}, the best on val"
