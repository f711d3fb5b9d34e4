"""The small CIFAR net of the standard PyTorch guide (the "CIFAR10-quick" model): three convolutions with
pooling, two linear layers, and nothing in between, as the guide has it.
"""

from __future__ import annotations

from torch import Tensor, nn

from lensmith.errors import UsageError


class TutorialNet(nn.Module):
    """float [N, 3, size, size] -> [N, outputs]; with size 32, 1024 -> 64 -> outputs at the end."""

    def __init__(self, outputs: int, image_size: int = 32) -> None:
        super().__init__()
        if image_size < 8:
            raise UsageError(f"tutorial_net halves a picture three times: image_size={image_size} is under 8")
        self.model = nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 5, padding=2),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * (image_size // 8) ** 2, 64),
            nn.Linear(64, outputs),
        )

    def forward(self, images: Tensor) -> Tensor:
        """float [N, 3, size, size] -> [N, outputs]."""
        outputs: Tensor = self.model(images)
        return outputs
