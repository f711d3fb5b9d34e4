"""The pictures after each layer, and the sheet that shows them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from torchvision.models import get_model

from lensmith.errors import UsageError
from lensmith.models.activations import activation_sheet, activations
from lensmith.models.build import build


def test_the_guides_net_shows_each_layer() -> None:
    maps = activations(build("tutorial_net", 10, 32), torch.rand(3, 32, 32))
    assert {name: tuple(layer.shape) for name, layer in maps.items()} == {
        "model.0": (32, 32, 32),
        "model.1": (32, 16, 16),
        "model.2": (32, 16, 16),
        "model.3": (32, 8, 8),
        "model.4": (64, 8, 8),
        "model.5": (64, 4, 4),
    }


def test_tensorboard_gets_a_picture_of_each_layer(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        maps = activations(build("tutorial_net", 10, 32), torch.rand(3, 32, 32), writer=writer, step=7)
    read = EventAccumulator(str(tmp_path)).Reload()
    assert read.Tags()["images"] == [f"activations/{name}" for name in maps]
    shown = read.Images("activations/model.0")[0]
    assert shown.step == 7
    assert Image.open(io.BytesIO(shown.encoded_image_string)).height > 48


def test_each_map_is_what_the_layer_gave_even_if_the_next_works_in_place() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    picture = torch.rand(3, 8, 8)
    maps = activations(net, picture)
    with torch.no_grad():
        assert torch.allclose(maps["0"], net[0](picture[None])[0])
    assert maps["0"].min() < 0 <= maps["1"].min()


def test_a_layer_that_runs_again_is_counted() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(self.relu(self.relu(x - 0.5) - 0.2))

    maps = activations(Twice(), torch.rand(3, 4, 4))
    assert list(maps) == ["relu", "relu (2)", "relu (3)"]
    assert maps["relu"].sum() > maps["relu (3)"].sum()


def test_bytes_arrays_and_tensors_are_the_same_picture() -> None:
    net = build("tutorial_net", 10, 32)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32), np.uint8)
    from_bytes, from_floats = activations(net, pixels), activations(net, torch.from_numpy(pixels) / 255)
    assert all(torch.allclose(from_bytes[name], from_floats[name], atol=1e-6) for name in from_floats)


def test_a_net_that_was_training_goes_on() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.9), nn.ReLU()).train()
    activations(net, torch.rand(3, 8, 8))
    assert net.training
    assert net[1].num_batches_tracked == 0


@pytest.mark.parametrize("shape", [(32, 32, 3), (1, 3, 32, 32), (32, 32)])
def test_another_shape_is_refused_with_the_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        activations(build("tutorial_net", 10, 32), np.zeros(shape, np.float32))
    assert str(list(shape)) in caught.value.message
    assert ("transpose" in caught.value.hint) == (shape == (32, 32, 3))


def test_a_failing_layer_is_named() -> None:
    with pytest.raises(UsageError, match=r"fails at model.0 on pictures of \[1, 32, 32\]"):
        activations(build("tutorial_net", 10, 32), torch.rand(1, 32, 32))


def test_the_sheet_shows_brightness_and_place() -> None:
    layer = torch.zeros(3, 4, 4)
    layer[0, :2] = 5.0  # bright above
    layer[1] = 7.0  # the same everywhere
    layer[2] = torch.tensor([float("nan"), float("inf"), -1.0, 1.0])
    sheet = np.asarray(activation_sheet({"conv": layer}))
    above, below = sheet[16 + 12, 2 + 24], sheet[16 + 36, 2 + 24]
    assert (above, below) == (255, 0)
    assert (sheet[16 : 16 + 48, 52 : 52 + 48] == 0).all()
    assert sheet[:16].max() > 200, "the name is written"
    assert (sheet[:, 152:] == 32).mean() > 0.7, "no channel, no tile"


def test_the_sheet_of_a_real_net_is_one_narrow_picture() -> None:
    maps = activations(get_model("resnet18", weights=None), torch.rand(3, 64, 64))
    sheet = activation_sheet(maps)
    assert sheet.mode == "L"
    assert sheet.width <= 1000
    assert sheet.height == sum(16 + 2 * 50 for _ in maps)


def test_names_in_any_script_and_tall_maps() -> None:
    sheet = activation_sheet({"卷积": torch.rand(1, 300, 3), "point": torch.rand(2, 1, 1)})
    assert sheet.height == 2 * (16 + 50)


def test_nothing_to_show_is_said() -> None:
    assert activations(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.rand(3, 2, 2)) == {}
    with pytest.raises(UsageError, match="no maps"):
        activation_sheet({})
