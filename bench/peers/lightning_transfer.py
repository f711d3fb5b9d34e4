"""Lightning: a LightningModule with the packaged backbone, fine-tuned by the BackboneFinetuning callback.

    python bench/peers/lightning_transfer.py hymenoptera_data --epochs 15 --seed 0

After the example in the callback's documentation (Adam at 1e-3 for a head of two layers, the backbone joins at
epoch 10 with a tenth of the rate, which grows by half each epoch) and Lightning's own example
computer_vision_fine_tuning.py (15 epochs, pictures squeezed to 224x224, flips). precision="bf16-mixed" is
Lightning's mixed precision, which works on a CPU.
It is measured once, at the end. DATA holds train/CLASS/* and val/CLASS/* (or test/CLASS/*).
"""

import argparse
import os

import clock
import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import BackboneFinetuning
from packaged_backbone import MEAN, STD, held_out, load_backbone
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics import Accuracy
from torchvision import transforms
from torchvision.datasets import ImageFolder


class TransferLearningModel(pl.LightningModule):
    def __init__(self, num_classes: int):
        super().__init__()
        self.backbone = load_backbone(0)
        self.head = nn.Sequential(
            nn.Linear(self.backbone.num_features, 512), nn.ReLU(), nn.Linear(512, num_classes)
        )
        self.accuracy = Accuracy(task="multiclass", num_classes=num_classes)

    def forward(self, x):
        return self.head(self.backbone(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.accuracy(self(x), y)
        self.log("accuracy", self.accuracy)

    def configure_optimizers(self):
        return torch.optim.Adam(self.head.parameters(), lr=1e-3)


def make_loaders(arguments: argparse.Namespace) -> tuple[DataLoader, DataLoader]:
    resize = transforms.Resize((arguments.size, arguments.size))
    last = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    train_transform = transforms.Compose([resize, transforms.RandomHorizontalFlip(), *last])
    valid_transform = transforms.Compose([resize, *last])
    settings = {"batch_size": arguments.batch, "num_workers": arguments.workers}
    settings["persistent_workers"] = arguments.workers > 0
    train = ImageFolder(f"{arguments.data}/train", train_transform)
    valid = ImageFolder(held_out(arguments.data), valid_transform)
    return DataLoader(train, shuffle=True, **settings), DataLoader(valid, **settings)


def main(arguments: argparse.Namespace) -> None:
    pl.seed_everything(arguments.seed, workers=True)
    train_loader, valid_loader = make_loaders(arguments)
    clock.lap("data")
    model = TransferLearningModel(len(train_loader.dataset.classes))
    clock.lap("model")
    trainer = pl.Trainer(
        accelerator="cpu",
        precision="bf16-mixed",
        max_epochs=arguments.epochs,
        callbacks=[
            BackboneFinetuning(unfreeze_backbone_at_epoch=arguments.unfreeze, lambda_func=lambda epoch: 1.5)
        ],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, train_loader)
    clock.lap("train")
    accuracy = trainer.validate(model, valid_loader, verbose=False)[0]["accuracy"]
    clock.lap("evaluate")
    clock.report(accuracy, arguments.seed)


if __name__ == "__main__":
    clock.lap("import")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--unfreeze", type=int, default=10, help="the epoch from which the backbone learns")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=int, default=224)
    main(parser.parse_args())
