"""CIFAR-10 as PNG folders, decoded once into memory by ImageFolder and a DataLoader."""

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import pil_to_tensor


def read_pictures(folder: str, workers: int = 2, every: int = 1) -> tuple[Tensor, Tensor]:
    """uint8 [N, 3, 32, 32] and int64 [N], in the order of the files; `every` 10 keeps one in ten."""
    pictures = ImageFolder(folder, transform=pil_to_tensor)
    kept = torch.utils.data.Subset(pictures, range(0, len(pictures), every))
    loader = DataLoader(kept, batch_size=500, num_workers=workers)
    images, labels = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(labels)


def normalize(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Channels last, with CIFAR-10's own mean and deviation."""
    mean = torch.tensor((0.4914, 0.4822, 0.4465)).view(3, 1, 1)
    std = torch.tensor((0.2470, 0.2435, 0.2616)).view(3, 1, 1)
    parts = [((part / 255 - mean) / std).to(dtype) for part in images.split(5000)]
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)
