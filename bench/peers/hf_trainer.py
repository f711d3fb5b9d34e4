"""Hugging Face transformers: Trainer on the packaged backbone, through its own wrapper of timm networks.

    python bench/peers/hf_trainer.py hymenoptera_data --epochs 5 --seed 0

After the example (examples/pytorch/image-classification: its transforms, 5 epochs in batches of 8) and the task
guide (learning rate 5e-5, which is Trainer's default too, with a warm-up over a tenth of the steps); use_cpu and
bf16, as the page on CPU training has it. AdamW with a linear schedule is Trainer's default. It is measured once, at
the end. DATA holds train/CLASS/* and val/CLASS/* (or test/CLASS/*).
"""

import argparse
import os
import tempfile

import clock
import torch
from packaged_backbone import MEAN, NAME, STD, held_out, load_backbone
from torchvision.datasets import ImageFolder
from torchvision.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
    ToTensor,
)
from transformers import (
    TimmWrapperConfig,
    TimmWrapperForImageClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)


def make_datasets(arguments: argparse.Namespace) -> tuple[ImageFolder, ImageFolder]:
    size, last = arguments.size, [ToTensor(), Normalize(MEAN, STD)]
    train = Compose([RandomResizedCrop(size), RandomHorizontalFlip(), *last])
    val = Compose([Resize(size), CenterCrop(size), *last])
    return ImageFolder(f"{arguments.data}/train", train), ImageFolder(held_out(arguments.data), val)


def make_model(classes: list[str]) -> TimmWrapperForImageClassification:
    config = TimmWrapperConfig(architecture=NAME, id2label=dict(enumerate(classes)))
    model = TimmWrapperForImageClassification(config)
    model.timm_model.load_state_dict(load_backbone(len(classes)).state_dict())
    return model


def collate_fn(examples: list) -> dict[str, torch.Tensor]:
    pixel_values = torch.stack([image for image, _ in examples])
    return {"pixel_values": pixel_values, "labels": torch.tensor([label for _, label in examples])}


def compute_metrics(p) -> dict[str, float]:
    return {"accuracy": float((p.predictions.argmax(axis=1) == p.label_ids).mean())}


def main(arguments: argparse.Namespace) -> None:
    set_seed(arguments.seed)
    train_dataset, eval_dataset = make_datasets(arguments)
    clock.lap("data")
    model = make_model(train_dataset.classes)
    clock.lap("model")
    with tempfile.TemporaryDirectory() as place:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=place,
                seed=arguments.seed,
                num_train_epochs=arguments.epochs,
                learning_rate=arguments.lr,
                warmup_steps=0.1,  # a part of the steps, below one
                per_device_train_batch_size=arguments.batch,
                per_device_eval_batch_size=arguments.batch,
                dataloader_num_workers=arguments.workers,
                remove_unused_columns=False,
                use_cpu=True,
                bf16=True,
                save_strategy="no",
                report_to="none",
                logging_steps=10,
                disable_tqdm=True,
            ),
            data_collator=collate_fn,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            compute_metrics=compute_metrics,
        )
        trainer.train()
        clock.lap("train")
        accuracy = trainer.evaluate()["eval_accuracy"]
    clock.lap("evaluate")
    clock.report(accuracy, arguments.seed)


if __name__ == "__main__":
    clock.lap("import")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=int, default=224)
    main(parser.parse_args())
