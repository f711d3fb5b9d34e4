"""Lightning: a LightningModule with the packaged backbone, frozen or fine-tuned as its documentation has it.

    python bench/peers/lightning_transfer.py hymenoptera_data --mode frozen --seed 0

frozen: the page on transfer learning (the backbone in eval mode and without gradients, a linear classifier).
finetune: the example of the callback BackboneFinetuning (a head of two layers; the backbone joins at epoch 10 with a
tenth of the rate, which grows by half each epoch). Both with Adam at 1e-3, and from Lightning's own example
computer_vision_fine_tuning.py 15 epochs, pictures squeezed to 224x224 and flips. precision="bf16-mixed" is
Lightning's mixed precision, which works on a CPU. It is measured once, at the end.
DATA holds train/CLASS/* and val/CLASS/* (or test/CLASS/*).
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
    def __init__(self, num_classes: int, mode: str):
        super().__init__()
        self.frozen = mode == "frozen"
        self.backbone = load_backbone(0)
        features = self.backbone.num_features
        two_layers = [nn.Linear(features, 512), nn.ReLU(), nn.Linear(512, num_classes)]
        self.head = nn.Linear(features, num_classes) if self.frozen else nn.Sequential(*two_layers)
        self.accuracy = Accuracy(task="multiclass", num_classes=num_classes)

    def forward(self, x):
        if not self.frozen:
            return self.head(self.backbone(x))
        self.backbone.eval()
        with torch.no_grad():
            representations = self.backbone(x)
        return self.head(representations)

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
    model = TransferLearningModel(len(train_loader.dataset.classes), arguments.mode)
    clock.lap("model")
    finetuning = BackboneFinetuning(
        unfreeze_backbone_at_epoch=arguments.unfreeze, lambda_func=lambda epoch: 1.5
    )
    trainer = pl.Trainer(
        accelerator="cpu",
        precision="bf16-mixed",
        max_epochs=arguments.epochs,
        callbacks=[] if model.frozen else [finetuning],
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
    parser.add_argument("--mode", choices=["frozen", "finetune"], default="frozen")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--unfreeze", type=int, default=10, help="the epoch from which the backbone learns")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=int, default=224)
    main(parser.parse_args())
