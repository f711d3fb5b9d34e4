"""timm: its loaders, transforms, optimizer, schedule and loss, on the packaged backbone.

    python bench/peers/timm_train.py hymenoptera_data --epochs 30 --seed 0

timm's own train.py is not in its package, so this is its loop in short, with the flags that timm's page on
training scripts gives for fine-tuning a pretrained network on a small set of pictures: --pretrained --batch-size 32
--epochs 30 --opt adamw --lr 1e-4 --weight-decay 0.01 --amp; here also --amp-dtype bfloat16 --channels-last --device
cpu. The rest is train.py's default: RandomResizedCrop, flip, colour jitter 0.4, label smoothing 0.1, cosine schedule
after 5 epochs of warm-up from 1e-5. DATA holds train/CLASS/* and val/CLASS/* (or test/CLASS/*).
"""

import argparse
import os

import clock
import torch
from packaged_backbone import held_out, load_backbone
from timm.data import create_dataset, create_loader, resolve_model_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import AverageMeter, accuracy, random_seed


def make_loader(folder: str, config: dict, training: bool, arguments: argparse.Namespace):
    dataset = create_dataset("", root=folder, is_training=training)
    loader = create_loader(
        dataset,
        input_size=(3, arguments.size, arguments.size),
        batch_size=min(arguments.batch, len(dataset)),
        is_training=training,
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        crop_pct=config["crop_pct"],
        num_workers=arguments.workers,
        device=torch.device("cpu"),
    )
    return loader, dataset


def train(model: torch.nn.Module, loader, arguments: argparse.Namespace) -> None:
    optimizer = create_optimizer_v2(model, opt="adamw", lr=arguments.lr, weight_decay=0.01)
    scheduler, epochs = create_scheduler_v2(
        optimizer,
        num_epochs=arguments.epochs,
        warmup_epochs=min(5, arguments.epochs // 2),
        warmup_lr=1e-5,
        updates_per_epoch=len(loader),
    )
    loss_of = LabelSmoothingCrossEntropy(0.1)
    for epoch in range(epochs):
        model.train()
        losses = AverageMeter()
        for images, targets in loader:
            images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.update(loss.item(), len(images))
        scheduler.step(epoch + 1)
        print(f"epoch {epoch + 1}: loss {losses.avg:.3f} after {clock.lap('train'):.0f} s", flush=True)


@torch.inference_mode()
def validate(model: torch.nn.Module, loader) -> float:
    model.eval()
    top1 = AverageMeter()
    for images, targets in loader:
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(images)
        top1.update(accuracy(outputs, targets)[0].item(), len(images))
    return top1.avg / 100


def main(arguments: argparse.Namespace) -> None:
    random_seed(arguments.seed)
    folders = f"{arguments.data}/train", held_out(arguments.data)
    model = load_backbone(len(next(os.walk(folders[0]))[1])).to(memory_format=torch.channels_last)
    config = resolve_model_data_config(model)
    clock.lap("model")
    train_loader, train_set = make_loader(folders[0], config, True, arguments)
    val_loader, val_set = make_loader(folders[1], config, False, arguments)
    assert train_set.reader.class_to_idx == val_set.reader.class_to_idx
    clock.lap("data")
    train(model, train_loader, arguments)
    right = validate(model, val_loader)
    clock.lap("evaluate")
    clock.report(right, arguments.seed)


if __name__ == "__main__":
    clock.lap("import")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=int, default=224)
    main(parser.parse_args())
