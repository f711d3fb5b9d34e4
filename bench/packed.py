"""Whether a packed network answers as plain PyTorch does, on real pictures, as one JSON object.

    python bench/packed.py FOLDER > packed.json

A state_dict of torchvision's resnet18, a safetensors file of a vision transformer of timm's, and a tutorial's
network that was pickled whole are packed from the command line. Their weights are drawn, and the last layer is
spread so that answers differ. Each is asked about every picture below FOLDER; beside it plain PyTorch is, with
Pillow's reading and the transforms that torchvision and timm publish.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import timm
import timm.data
import torch
from PIL import Image, ImageOps
from safetensors.torch import load, save_file
from torch import nn
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.transforms import v2

from lensmith.bundle.answers import scores
from lensmith.bundle.bundle import load_model
from lensmith.bundle.facts import WEIGHTS
from lensmith.data.folders import looks_like_picture

CLASSES = [f"class {number}" for number in range(10)]
BATCH = 16
TUTORIAL = """
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))
"""


def ready(file: Path, transform: Any) -> torch.Tensor:
    """A picture as plain PyTorch has it."""
    with Image.open(file) as picture:
        prepared: torch.Tensor = transform(ImageOps.exif_transpose(picture).convert("RGB"))
    return prepared


def spread(net: nn.Module, images: torch.Tensor) -> None:
    """Stretch the last layer until answers differ from picture to picture."""
    net.eval()
    with torch.no_grad():
        outputs = net(images)
        last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
        stretch = 2 / outputs.std(0).mean()
        last.weight.mul_(stretch)
        last.bias.copy_((last.bias - outputs.mean(0)) * stretch)


def shares_of(net: nn.Module, images: torch.Tensor) -> Any:
    with torch.inference_mode():
        parts = [net(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        return torch.cat(parts).double().softmax(1).numpy()


def compare(
    place: Path, net: nn.Module, transform: Any, files: list[Path], words: list[str]
) -> dict[str, Any]:
    """Pack from the command line, then ask both about every picture."""
    images = torch.stack([ready(file, transform) for file in files])
    subprocess.run(
        [sys.executable, "-m", "lensmith", "pack", *words, "--classes", ",".join(CLASSES), "-o", "x.lens"],
        cwd=place,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    bundle = load_model(place / "x.lens")
    kept = load(bundle.files[WEIGHTS])
    state = net.state_dict()
    wanted = shares_of(net, images)
    found = scores(bundle.logits(np.stack([bundle.prepare(file) for file in files])), bundle.facts)
    labels = found.argmax(1).tolist()
    gaps = np.sort(wanted, axis=1)
    other = [row for row, label in enumerate(labels) if label != wanted[row].argmax()]
    return {
        "pictures": len(files),
        "tensors_equal": kept.keys() == state.keys() and all(torch.equal(kept[n], state[n]) for n in state),
        "largest_difference": float(np.max(np.abs(found - wanted))),
        "other_labels": len(other),
        "other_labels_gap": max((float(gaps[row, -1] - gaps[row, -2]) for row in other), default=0.0),
        "labels_said": len(set(labels)),
        "engine": bundle.engine.name,
    }


def main(folder: str) -> None:
    files = [file for file in sorted(Path(folder).rglob("*")) if looks_like_picture(file)]
    torch.manual_seed(0)
    found = {}
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        place = Path(name)
        net, transform = resnet18(num_classes=10), ResNet18_Weights.DEFAULT.transforms()
        spread(net, torch.stack([ready(file, transform) for file in files[:BATCH]]))
        torch.save(net.state_dict(), "resnet18.pth")
        found["resnet18, a state_dict"] = compare(
            place, net, transform, files, ["resnet18.pth", "--model", "resnet18"]
        )

        vit = timm.create_model("vit_tiny_patch16_224", num_classes=10)
        config = timm.data.resolve_model_data_config(vit)
        transform = timm.data.create_transform(**config, is_training=False)
        spread(vit, torch.stack([ready(file, transform) for file in files[:BATCH]]))
        save_file(vit.state_dict(), "vit.safetensors")
        words = ["vit.safetensors", "--model", "vit_tiny_patch16_224"]
        found["vit_tiny_patch16_224, safetensors"] = compare(place, vit, transform, files, words)

        Path("tutorial.py").write_text(TUTORIAL)
        sys.path.insert(0, name)
        whole = __import__("tutorial").Net()
        half = v2.Normalize([0.5] * 3, [0.5] * 3)
        transform = v2.Compose(
            [v2.Resize(32), v2.CenterCrop(32), v2.ToImage(), v2.ToDtype(torch.float32, scale=True), half]
        )
        spread(whole, torch.stack([ready(file, transform) for file in files[:BATCH]]))
        torch.save(whole, "whole.pth")
        Path("tutorial.py").rename("net.py")  # the module that the file names is gone
        words = ["whole.pth", "--model", "net.py:Net", "--size", "32", "--normalize", "half"]
        found["a tutorial's network, pickled whole"] = compare(place, whole, transform, files, words)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
