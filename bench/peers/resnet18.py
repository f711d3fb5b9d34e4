"""ResNet-18 on CIFAR-10 as a careful user would train it on a CPU: bf16, channels last, pictures in memory.

    python bench/peers/resnet18.py CIFAR10 --epochs 6 --seed 0

torchvision's network with the usual stem for small pictures (3x3, no pooling); SGD with Nesterov momentum and
OneCycleLR, crops of the padded picture and flips, label smoothing. CPU time a picture, one thread of a CPU with
AVX512-BF16, batches of 128: 28 ms in fp32, 23 with channels last, 12 in bf16, 11 with both; 10.5 against 10.5 with
torch.compile, which took 15 s to compile and is left out. Batches of 512 were slower (13 ms).
CIFAR10 holds train/CLASS/*.png and test/CLASS/*.png. The schedule ends with --epochs; accuracies on the way
are printed with the seconds since the start (--quiet leaves them out, and measures once).
"""

import argparse

import clock
import torch
from cifar_folders import normalize, read_pictures
from torch import Tensor, nn
from torchvision.models import resnet18


def make_network() -> nn.Module:
    network = resnet18(num_classes=10)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network.to(memory_format=torch.channels_last)


def augment(images: Tensor) -> Tensor:
    """Each picture cropped out of itself padded by 4, and flipped half of the time."""
    count, _, height, width = images.shape
    padded = nn.functional.pad(images, (4, 4, 4, 4), mode="reflect")
    rows = torch.randint(9, (count, 1)) + torch.arange(height)
    columns = torch.randint(9, (count, 1)) + torch.arange(width)
    flipped = torch.rand(count) < 0.5
    columns[flipped] = columns[flipped].flip(1)
    which = torch.arange(count).view(-1, 1, 1)
    crops = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None]]
    return crops.permute(0, 3, 1, 2)  # channels last already


@torch.inference_mode()
def measure(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    network.eval()
    with torch.autocast("cpu", torch.bfloat16):
        right = sum(
            (network(some).argmax(1) == truth).sum().item()
            for some, truth in zip(images.split(500), labels.split(500), strict=True)
        )
    return right / len(labels)


def main(arguments: argparse.Namespace) -> None:
    torch.manual_seed(arguments.seed)
    train_images, train_labels = read_pictures(f"{arguments.data}/train", every=arguments.every)
    test_images, test_labels = read_pictures(f"{arguments.data}/test", every=arguments.every)
    train_images, test_images = normalize(train_images), normalize(test_images)
    clock.lap("data")

    network = make_network()
    steps = len(train_images) // arguments.batch
    optimizer = torch.optim.SGD(network.parameters(), momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, arguments.lr, epochs=arguments.epochs, steps_per_epoch=steps, pct_start=0.25
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=0.1)
    for epoch in range(1, arguments.epochs + 1):
        network.train()
        for chosen in torch.randperm(len(train_images))[: steps * arguments.batch].split(arguments.batch):
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(network(augment(train_images[chosen])), train_labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        clock.lap("train")
        if epoch == arguments.epochs or not arguments.quiet:
            accuracy = measure(network, test_images, test_labels)
            print(f"epoch {epoch}: {accuracy:.2%} after {clock.lap('evaluate'):.0f} s", flush=True)
    clock.report(accuracy, arguments.seed)


if __name__ == "__main__":
    clock.lap("import")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1, help="the highest rate of the schedule")
    parser.add_argument("--quiet", action="store_true", help="measure after the last epoch only")
    parser.add_argument("--every", type=int, default=1, help="take one picture in so many, for a trial")
    main(parser.parse_args())
