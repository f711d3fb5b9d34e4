"""Networks: ours, those of torchvision and timm, and the user's own, by name; weights in and out."""
