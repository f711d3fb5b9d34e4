"""EfficientNet-Lite0, whole in one file: 3.4 million weights, 1280 features, made for small machines.

The architecture is Google's (github.com/tensorflow/tpu, models/official/efficientnet/lite; Tan and Le,
"EfficientNet", 2019): no squeeze-and-excitation, ReLU6, batch norm with epsilon 1e-3, and TensorFlow's "same"
padding. Modules bear the names of timm's `tf_efficientnet_lite0`, so that its files load by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lensmith.errors import ModelFileError

FEATURES = 1280
_STAGES = [
    # (blocks, kernel, stride of the first, expansion, width)
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
]


class Lite0(nn.Module):
    """float [N, 3, H, W], mean 0.5 and deviation 0.5 taken off -> [N, outputs]. Any size will do."""

    def __init__(self, outputs: int, image_size: int = 224) -> None:
        super().__init__()
        self.conv_stem = SameConv(3, 32, 3, stride=2)
        self.bn1 = _norm(32)
        self.blocks = nn.Sequential()
        before = 32
        for count, kernel, stride, expansion, width in _STAGES:
            stage = nn.Sequential()
            for number in range(count):
                step = stride if number == 0 else 1
                stage.append(
                    Inverted(before, width, kernel, step, expansion)
                    if expansion > 1
                    else Separable(before, width, kernel, step)
                )
                before = width
            self.blocks.append(stage)
        self.conv_head = SameConv(before, FEATURES, 1)
        self.bn2 = _norm(FEATURES)
        self.act = nn.ReLU6(inplace=True)
        self.head = nn.Linear(FEATURES, outputs)

    def features(self, images: Tensor) -> Tensor:
        """float [N, 3, H, W] -> [N, 1280], the mean over all positions."""
        x = self.act(self.bn1(self.conv_stem(images)))
        x = self.act(self.bn2(self.conv_head(self.blocks(x))))
        return torch.mean(x, dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """float [N, 3, H, W] -> [N, outputs]."""
        outputs: Tensor = self.head(self.features(images))
        return outputs


class Separable(nn.Module):
    """Filter each channel, then mix them by a 1x1 convolution."""

    def __init__(self, before: int, after: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = SameConv(before, before, kernel, stride=stride, groups=before)
        self.bn1 = _norm(before)
        self.conv_pw = SameConv(before, after, 1)
        self.bn2 = _norm(after)
        self.act = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, H, W] -> [N, after, H / stride, W / stride]."""
        mixed: Tensor = self.bn2(self.conv_pw(self.act(self.bn1(self.conv_dw(x)))))
        return mixed


class Inverted(nn.Module):
    """Widen by a 1x1 convolution, filter each channel, narrow; added to the input where the shapes agree."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        self.conv_pw = SameConv(before, wide, 1)
        self.bn1 = _norm(wide)
        self.conv_dw = SameConv(wide, wide, kernel, stride=stride, groups=wide)
        self.bn2 = _norm(wide)
        self.conv_pwl = SameConv(wide, after, 1)
        self.bn3 = _norm(after)
        self.act = nn.ReLU6(inplace=True)
        self.adds = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, H, W] -> [N, after, H / stride, W / stride]."""
        wide = self.act(self.bn1(self.conv_pw(x)))
        narrow: Tensor = self.bn3(self.conv_pwl(self.act(self.bn2(self.conv_dw(wide)))))
        return narrow + x if self.adds else narrow


class SameConv(nn.Conv2d):
    """A convolution without bias under TensorFlow's "same" padding: ceil(size / stride) positions come out.

    What cannot be split evenly is added below and to the right, so with a stride it depends on the size.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(before, after, kernel, stride, padding, groups=groups, bias=False)
        nn.init.normal_(self.weight, std=math.sqrt(2 * groups / (kernel**2 * after)))

    def forward(self, input: Tensor) -> Tensor:
        """[N, before, H, W] -> [N, after, ceil(H / stride), ceil(W / stride)]."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride > 1:
            tall, wide = (max((-(-s // stride) - 1) * stride + kernel - s, 0) for s in input.shape[-2:])
            input = F.pad(input, (wide // 2, wide - wide // 2, tall // 2, tall - tall // 2))
        if stride > 1 and self.groups > 1 and input.device.type == "cpu" and self.training:
            # Backwards, such a layer takes torch thirty times as long in bfloat16 as in float32.
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float())
        return super().forward(input)


def load_lite0(model: Lite0, state: Mapping[str, Tensor]) -> list[str]:
    """Put weights of EfficientNet-Lite0 into `model`; returns the names of the tensors that were left out.

    Names are ours or timm's; under other names the tensors are taken in the order of the layers, as the
    packaged file has them. A head of another number of classes is left out, and one that lacks leaves the
    model's own. Raises `ModelFileError` with the first tensor that does not fit.
    """
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(_COUNT)}
    given = {_OURS.get(name, name): tensor for name, tensor in state.items() if not name.endswith(_COUNT)}
    body = [name for name in own if name not in _OURS.values()]
    if not set(body) <= set(given):
        if len(given) not in (len(body), len(own)):
            raise ModelFileError(
                f"not weights of EfficientNet-Lite0: {len(given)} tensors, where it has {len(own)}"
            )
        given = dict(zip(own, given.values(), strict=False))
    head = [name for name in _OURS.values() if name in given]
    left_out = head if any(given[name].shape != own[name].shape for name in head) else []
    fitting = [name for name in own if name in given and name not in left_out]
    for name in fitting:
        if given[name].shape != own[name].shape:
            raise ModelFileError(
                f"not weights of EfficientNet-Lite0: {name} is {list(given[name].shape)}, "
                f"where it has {list(own[name].shape)}"
            )
    with torch.no_grad():
        for name in fitting:
            own[name].copy_(given[name])
    return left_out


_OURS = {"classifier.weight": "head.weight", "classifier.bias": "head.bias"}
_COUNT = "num_batches_tracked"
"""How many batches were counted says nothing about a picture, and some files lack it."""


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)
