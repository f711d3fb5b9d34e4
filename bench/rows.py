"""The rows of the benchmark: what is run beside what, for which seeds, on which pictures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from few import few_of_each
from photos import photos
from resplit import resplits
from running import Side

BENCH = Path(__file__).parent
CIFAR = {"LENSMITH_CIFAR10": "a folder with train/CLASS/*.png and test/CLASS/*.png"}
PHOTOS = {"LENSMITH_PHOTOS": "a folder with some hundred photos in folders per class, such as ants and bees"}
FEW, TWO = (0, 1, 2, 3, 4), (0, 1)
"""Five runs where one takes less than two minutes, else two."""
_NOT_REACHED = 600.0


@dataclass(frozen=True)
class Trial:
    """One turn of all sides: its seed, and whether it only has to show that everything works."""

    seed: int
    short: bool = False


@dataclass(frozen=True)
class Row:
    """sides: their commands, in order, ours called `lensmith`; needs: variables that name folders."""

    sides: Callable[[Trial], Mapping[str, Side]]
    seeds: tuple[int, ...]
    needs: Mapping[str, str]


def script(name: str, *words: object, peer: str | None = None, limit: float | None = None) -> Side:
    """A script beside this file, run by this Python, or by that of a peer's own environment."""
    return Side([python_of(peer), str(BENCH / name), *map(str, words)], limit=limit)


def lensmith(*words: object, limit: float | None = None) -> Side:
    """Our own command line."""
    return Side([sys.executable, "-m", "lensmith", *map(str, words)], limit=limit)


def python_of(peer: str | None) -> str:
    """The Python of `LENSMITH_PEERS/NAME`, a virtual environment with a peer installed; else this one."""
    own = Path(os.environ.get("LENSMITH_PEERS", "")) / (peer or "") / "bin/python"
    return str(own) if peer and "LENSMITH_PEERS" in os.environ and own.exists() else sys.executable


def cifar() -> Path:
    return Path(os.environ["LENSMITH_CIFAR10"]).resolve()


def tutorial(trial: Trial) -> dict[str, Side]:
    """The tutorial's script and `lensmith train --recipe tutorial`: same pictures, network and recipe."""
    epochs = 1 if trial.short else 10
    ours = ("train", cifar(), "--recipe", "tutorial", "--epochs", epochs, "--seed", trial.seed, "--json")
    return {
        "tutorial": script("tutorial.py", cifar(), "--seed", trial.seed, "--epochs", epochs),
        "lensmith": lensmith(*ours),
    }


def seconds(trial: Trial) -> dict[str, Side]:
    """The tutorial's script, and lensmith with a budget that is enough to be as good, and with two seconds more."""
    epochs = 1 if trial.short else 10
    ours = {"lensmith": "8s", "lensmith, 6s": "6s"}
    return {
        "tutorial": script("tutorial.py", cifar(), "--seed", trial.seed, "--epochs", epochs),
        **{
            name: lensmith("train", cifar(), "--budget", budget, "--seed", trial.seed, "--json")
            for name, budget in ours.items()
        },
    }


def budget(trial: Trial) -> dict[str, Side]:
    """Budgets of five sizes on CIFAR-10, store empty: wall seconds beside what was asked for."""
    sizes = (8,) if trial.short else (8, 20, 45, 100, 300)
    return {
        f"--budget {size}s": lensmith(
            "train", cifar(), "--budget", f"{size}s", "--seed", trial.seed, "--json"
        )
        for size in sizes
    }


def long(trial: Trial) -> dict[str, Side]:
    """CIFAR-10 in the time of the tutorial's script, and in just under eight minutes: how far long budgets come."""
    return {
        f"--budget {size}s": lensmith(
            *("train", cifar(), "--budget", "8s" if trial.short else f"{size}s"),
            *("--seed", trial.seed, "--json"),
        )
        for size in (290, 470)
    }


def ninety(trial: Trial) -> dict[str, Side]:
    """CIFAR-10 to 90 %: a plain ResNet-18, airbench94 on the CPU (its answers averaged over views), and ours."""
    few = ("--every", 50) if trial.short else ()
    return {
        "resnet18": script(
            "peers/resnet18.py", cifar(), "--seed", trial.seed, "--quiet", *few, peer="resnet18"
        ),
        "airbench94": script(
            "peers/airbench94_cpu.py",
            cifar(),
            *("--seed", trial.seed, "--quiet", "--epochs", 1 if trial.short else 3),
            peer="airbench94_cpu",
        ),
        "lensmith": lensmith(
            "train", cifar(), "--budget", "8s" if trial.short else "97s", "--seed", trial.seed, "--json"
        ),
    }


def transfer(trial: Trial) -> dict[str, Side]:
    """Ants and bees, split anew for each seed: drawn from the backbone's own training source, a row of speed."""
    folder = resplits() / str(trial.seed)
    sides = {
        f"tutorial, {mode}": script(
            "peers/transfer_tutorial.py",
            folder,
            *("--mode", mode, "--seed", trial.seed, "--epochs", 1 if trial.short else 25),
            peer="transfer_tutorial",
        )
        for mode in ("frozen", "finetune")
    }
    for peer in ("fastai_transfer", "timm_train", "hf_trainer", "lightning_transfer"):
        epochs = ("--epochs", 1) if trial.short else ()
        sides[peer] = script(f"peers/{peer}.py", folder, "--seed", trial.seed, *epochs, peer=peer)
    return {"lensmith": lensmith("train", folder, "--seed", trial.seed, "--json"), **sides}


def few(count: int) -> Callable[[Trial], dict[str, Side]]:
    """CIFAR-10 with `count` training pictures of each class: who is not there in ten minutes is ended."""

    def sides(trial: Trial) -> dict[str, Side]:
        folder = few_of_each(cifar(), 5 if trial.short else count)
        seed = ("--seed", trial.seed)
        limit = 60.0 if trial.short else _NOT_REACHED
        peers = {
            "tutorial, frozen": ("transfer_tutorial", "--mode", "frozen", "--val-every", 25),
            "tutorial, finetune": ("transfer_tutorial", "--mode", "finetune", "--val-every", 25),
            "fastai_transfer": ("fastai_transfer", "--presize", 224),
            "timm_train": ("timm_train",),
            "hf_trainer": ("hf_trainer",),
            "lightning_transfer": ("lightning_transfer",),
        }
        ours = {"lensmith": lensmith("train", folder, *seed, "--json")}
        more = ("--recipe", "transfer", "--budget", "30s" if trial.short else "10m" if count >= 500 else "1m")
        ours["lensmith, fine-tuned"] = lensmith("train", folder, *more, *seed, "--json")
        return ours | {
            name: script(f"peers/{peer}.py", folder, *words, *seed, peer=peer, limit=limit)
            for name, (peer, *words) in peers.items()
        }

    return sides


def store_photos(count: int) -> Callable[[Trial], dict[str, Side]]:
    """Photos of 500 x 375 to 224 x 224: decoded for the first time, and passed through again."""

    def sides(trial: Trial) -> dict[str, Side]:
        return _store_sides(photos(100 if trial.short else count), 224, trial)

    return sides


def store_small(trial: Trial) -> dict[str, Side]:
    """The 60,000 pictures of CIFAR-10: decoded for the first time, and passed through again."""
    return _store_sides(cifar() / "test" if trial.short else cifar(), 32, trial)


def _store_sides(folder: Path, size: int, trial: Trial) -> dict[str, Side]:
    peers = {
        f"ImageFolder, {workers} workers": script(
            "store.py", "imagefolder", folder, size, "--workers", workers
        )
        for workers in (0, 1, 2)
    }
    compared = {"the same pixels": script("store.py", "check", folder, size)} if trial.seed == 0 else {}
    return {"lensmith": script("store.py", "lensmith", folder, size), **peers, **compared}


def memory(trial: Trial) -> dict[str, Side]:
    """The most memory that a training on 60,000 small pictures needs, and a store of 20,000 photos."""
    data, count = (cifar() / "test", 200) if trial.short else (cifar(), 20_000)
    return {
        "train, 60,000 PNGs": lensmith("train", data, "--budget", "8s", "--seed", trial.seed, "--json"),
        "store, 20,000 photos": script("store.py", "lensmith", photos(count), 224),
    }


def predict(trial: Trial) -> dict[str, Side]:
    """A ResNet-18 on 512 decoded pictures of 224 x 224, in float32."""
    count = 32 if trial.short else 512
    return {
        "lensmith": script("predict.py", "lensmith", "--count", count),
        "torch": script("predict.py", "eager", "--count", count),
        "torch, channels_last": script("predict.py", "channels_last", "--count", count),
        "torch.compile": script("predict.py", "compiled", "--count", count),
        "ONNX Runtime": script("predict.py", "onnxruntime", "--count", count),
        "OpenVINO": script("predict.py", "openvino", "--count", count, peer="openvino"),
    }


ROWS = {
    "tutorial": Row(tutorial, (0, 1, 2), CIFAR),
    "seconds": Row(seconds, FEW, CIFAR),
    "ninety": Row(ninety, TWO, CIFAR),
    "budget": Row(budget, FEW, CIFAR),
    "long": Row(long, TWO, CIFAR),
    "transfer": Row(transfer, FEW, PHOTOS),
    "few-50": Row(few(50), TWO, CIFAR),
    "few-500": Row(few(500), TWO, CIFAR),
    "store-photos": Row(store_photos(4000), (0, 1, 2), PHOTOS),
    "store-photos-400": Row(store_photos(400), FEW, PHOTOS),
    "store-small": Row(store_small, (0, 1, 2), CIFAR),
    "memory": Row(memory, (0, 1, 2), {**CIFAR, **PHOTOS}),
    "predict": Row(predict, FEW, {}),
}
