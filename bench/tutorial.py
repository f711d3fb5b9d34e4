"""The standard PyTorch tutorial's way to CIFAR-10: the row that others are measured against.

    python bench/tutorial.py CIFAR10 --seed 0

CIFAR10 holds train/CLASS/*.png and test/CLASS/*.png. Prints one JSON object: test accuracy and seconds.
Nothing of lensmith is used here.
"""

import argparse
import json
import time

BEGAN = time.time()

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.datasets import ImageFolder  # noqa: E402


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, 32, 5, padding=2),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 5, padding=2),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, 64),
            nn.Linear(64, 10),
        )

    def forward(self, x):
        return self.model(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)

    train_data = ImageFolder(f"{arguments.root}/train", transform=transforms.ToTensor())
    test_data = ImageFolder(f"{arguments.root}/test", transform=transforms.ToTensor())
    # Class folders are sorted: without shuffle=True each batch holds one class, and the script stays at 10 %.
    train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
    test_loader = DataLoader(test_data, batch_size=64)

    net = Net()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    accuracy = 0.0
    for epoch in range(arguments.epochs):
        net.train()
        for images, targets in train_loader:
            outputs = net(images)
            loss = loss_fn(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        net.eval()
        right = 0
        with torch.no_grad():
            for images, targets in test_loader:
                outputs = net(images)
                right += (outputs.argmax(1) == targets).sum().item()
        accuracy = right / len(test_data)
        print(f"epoch {epoch + 1}, test accuracy {accuracy}", flush=True)
        torch.save(net.state_dict(), "tutorial_net.pth")

    print(
        json.dumps({"accuracy": accuracy, "seconds": round(time.time() - BEGAN, 2), "seed": arguments.seed})
    )


if __name__ == "__main__":
    main()
