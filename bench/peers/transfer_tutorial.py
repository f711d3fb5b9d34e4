"""The PyTorch tutorial "Transfer Learning for Computer Vision", with the packaged backbone for its ResNet-18.

    python bench/peers/transfer_tutorial.py hymenoptera_data --mode finetune --seed 0

After docs.pytorch.org/tutorials/beginner/transfer_learning_tutorial.html by Sasank Chilamkurthy (BSD licence):
25 epochs, batches of 4, four workers (but no more than there are cores, as torch advises), SGD 0.001 with momentum
0.9, a tenth of the rate every 7 epochs, both splits walked through in every epoch. "accuracy" is the last epoch's;
the tutorial itself keeps the epoch that was best on the pictures it is measured on: "accuracy_best". --val-every 25
measures after the last epoch only, for held-out folders of thousands of pictures.
DATA holds train/CLASS/* and val/CLASS/* (or test/CLASS/*).
"""

import argparse
import os

import clock
import torch
from packaged_backbone import MEAN, STD, held_out, load_backbone
from torch import nn, optim
from torch.optim import lr_scheduler
from torchvision import datasets, transforms


def make_loaders(arguments: argparse.Namespace) -> dict[str, torch.utils.data.DataLoader]:
    size = arguments.size
    data_transforms = {
        "train": transforms.Compose(
            [
                transforms.RandomResizedCrop(size),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        ),
        "val": transforms.Compose(
            [
                transforms.Resize(size * 256 // 224),
                transforms.CenterCrop(size),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        ),
    }
    folders = {"train": f"{arguments.data}/train", "val": held_out(arguments.data)}
    image_datasets = {x: datasets.ImageFolder(folders[x], data_transforms[x]) for x in ["train", "val"]}
    return {
        x: torch.utils.data.DataLoader(
            image_datasets[x], batch_size=arguments.batch, shuffle=True, num_workers=arguments.workers
        )
        for x in ["train", "val"]
    }


def train_model(model, criterion, optimizer, scheduler, dataloaders, num_epochs, val_every):
    best_acc = epoch_acc = 0.0
    for epoch in range(num_epochs):
        print(f"Epoch {epoch}/{num_epochs - 1}")
        phases = ["train", "val"] if (epoch + 1) % val_every == 0 or epoch + 1 == num_epochs else ["train"]
        for phase in phases:
            if phase == "train":
                model.train()
            else:
                model.eval()
            running_loss = 0.0
            running_corrects = 0
            for inputs, labels in dataloaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    _, preds = torch.max(outputs, 1)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(preds == labels).item()
            if phase == "train":
                scheduler.step()
            epoch_loss = running_loss / len(dataloaders[phase].dataset)
            epoch_acc = running_corrects / len(dataloaders[phase].dataset)
            passed = clock.lap("train" if phase == "train" else "evaluate")
            print(f"{phase} Loss: {epoch_loss:.4f} Acc: {epoch_acc:.4f} after {passed:.0f} s", flush=True)
            if phase == "val":
                best_acc = max(best_acc, epoch_acc)
    return epoch_acc, best_acc


def main(arguments: argparse.Namespace) -> None:
    torch.manual_seed(arguments.seed)
    dataloaders = make_loaders(arguments)
    model = load_backbone(0)
    if arguments.mode == "frozen":
        for param in model.parameters():
            param.requires_grad = False
    model.classifier = nn.Linear(model.num_features, len(dataloaders["train"].dataset.classes))
    learning = model.classifier.parameters() if arguments.mode == "frozen" else model.parameters()
    optimizer = optim.SGD(learning, lr=0.001, momentum=0.9)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    clock.lap("model")
    criterion = nn.CrossEntropyLoss()
    accuracy, best = train_model(
        model, criterion, optimizer, scheduler, dataloaders, arguments.epochs, arguments.val_every
    )
    clock.report(accuracy, arguments.seed, accuracy_best=best)


if __name__ == "__main__":
    clock.lap("import")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mode", choices=["frozen", "finetune"], default="finetune")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=min(4, os.cpu_count()))
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--val-every", type=int, default=1)
    main(parser.parse_args())
