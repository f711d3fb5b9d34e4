"""fastai: vision_learner and fine_tune, on the packaged backbone.

    python bench/peers/fastai_transfer.py hymenoptera_data --epochs 3 --seed 0

As docs.fast.ai has it: ImageDataLoaders.from_folder, Resize(460) and aug_transforms(size=224) in batches of 64,
vision_learner with a timm name (fastai's own head, normalisation by timm's statistics), fine_tune: one epoch of
the head and --epochs of all with rates that fall towards the stem. The weights are put in by hand, since fastai
would download them. It is measured once, at the end. channels_last is fastai's own callback; its mixed precision
knows CUDA alone, so this is fp32. --presize 224 for pictures smaller than that.
DATA holds train/CLASS/* and val/CLASS/* (or test/CLASS/*).
"""

import argparse
import os
from pathlib import Path

import clock
import fastai.callback.schedule  # noqa: F401  gives Learner its fine_tune
import torch
from fastai.callback.channelslast import ChannelsLast
from fastai.callback.core import Callback, CancelValidException
from fastai.data.core import DataLoaders
from fastai.metrics import accuracy
from fastai.torch_core import set_seed
from fastai.vision.augment import Normalize, Resize, aug_transforms
from fastai.vision.data import ImageDataLoaders
from fastai.vision.learner import Learner, vision_learner
from packaged_backbone import MEAN, NAME, STD, held_out, packaged_state


class MeasureLater(Callback):
    def before_validate(self):
        raise CancelValidException


def make_loaders(arguments: argparse.Namespace) -> DataLoaders:
    return ImageDataLoaders.from_folder(
        arguments.data,
        valid=Path(held_out(arguments.data)).name,
        item_tfms=Resize(arguments.presize),
        batch_tfms=[*aug_transforms(size=arguments.size), Normalize.from_stats(MEAN, STD)],
        bs=arguments.batch,
        num_workers=arguments.workers,
        device=torch.device("cpu"),
    )


def make_learner(dls: DataLoaders) -> Learner:
    learn = vision_learner(dls, NAME, pretrained=False, metrics=accuracy, cbs=ChannelsLast())
    body = learn.model[0].model
    state = {name: value for name, value in packaged_state().items() if name in body.state_dict()}
    body.load_state_dict(state)
    learn.freeze()  # what vision_learner does where it loads the weights itself
    return learn


def main(arguments: argparse.Namespace) -> None:
    set_seed(arguments.seed, reproducible=True)
    dls = make_loaders(arguments)
    clock.lap("data")
    learn = make_learner(dls)
    clock.lap("model")
    with learn.no_bar(), learn.added_cbs(MeasureLater()):
        learn.fine_tune(arguments.epochs)
    clock.lap("train")
    with learn.no_bar():
        _, right = learn.validate()
    clock.lap("evaluate")
    clock.report(right, arguments.seed)


if __name__ == "__main__":
    clock.lap("import")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--presize", type=int, default=460, help="the size before augmentation")
    main(parser.parse_args())
