"""Runs that are killed at random points, twice each, and resumed: do they end with the weights of undisturbed ones?

    python bench/kills.py --runs 20 --kills 2

Each way of training is run once undisturbed; then again and again, ended by SIGKILL anywhere between its first file
and its end, its resumption too; one that ended before it was killed is done over. A run by the clock has no twin:
it is compared with a repetition of its own recipe. One thread, a checkpoint after about every step. The exit code is
1 where a run ends otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

NET = """
from torch import nn

def make(outputs):
    front = [nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*front, nn.Flatten(), nn.Dropout(0.5), nn.Linear(128, outputs))
"""
WAYS = {
    "averaged weights, mixup": ("epochs=6", "average=0.99", "mixup=0.2"),
    "own network, dropout, plateau": ("model=net.py:make", "epochs=6", "schedule=plateau", "optimizer=adamw"),
    "early stopping, cutmix, colour": (
        "epochs=8",
        "test_fraction=0.2",
        "patience=2",
        "cutmix=1",
        "colour=0.3",
    ),
    "parts of a batch, warm-up, no store": ("epochs=5", "accumulate=3", "warmup=0.2", "store=false"),
    "small pictures first, two seeds": ("epochs=4", "small_first=0.5", "seeds=2"),
    "three folds": ("epochs=2", "folds=3"),
    "all layers after the last one": (
        "--recipe",
        "transfer",
        "epochs=1",
        "image_size=64",
        "choice_fraction=0.2",
    ),
    "by the clock": ("--budget", "14s"),
}
_COMMON = ("threads=1", "checkpoint_every=0.01s")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=2, help="of each run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    wrong, killed = 0, 0
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "net.py").write_text(NET)
        _lensmith(place, "sample", "digits", "digits")
        whole: dict[str, tuple[str, float]] = {}
        for number in range(arguments.runs):
            way = list(WAYS)[number % len(WAYS)]
            if way not in whole:
                began = time.monotonic()
                _lensmith(place, "train", "digits", *WAYS[way], *_COMMON, "--out", f"whole-{number}")
                whole[way] = _weights(place / f"whole-{number}"), time.monotonic() - began
            digest, seconds = whole[way]
            run = place / f"run-{number}"
            points = _killed(place, run, WAYS[way], seconds, arguments.kills, chance)
            killed += len(points)
            _lensmith(place, "resume", run.name)
            if "--budget" in WAYS[way]:
                again = ("--recipe", f"{run.name}/recipe.toml", "--out", f"again-{number}")
                _lensmith(place, "train", "digits", *again)
                digest = _weights(place / f"again-{number}")
            equal = _weights(run) == digest
            wrong += not equal
            told = ", ".join(points)
            print(f"{'equal' if equal else 'OTHER':>6}  {way}: killed {told}", flush=True)
    print(f"{killed} kills in {arguments.runs} runs; {wrong} ended with other weights")
    return 1 if wrong else 0


def _killed(
    place: Path, run: Path, words: tuple[str, ...], seconds: float, kills: int, chance: random.Random
) -> list[str]:
    """Start a run, kill it, resume it, kill that; says where each time."""
    points: list[str] = []
    while len(points) < kills:
        begun = (run / "facts.json").exists()
        command = ("resume", run.name) if begun else ("train", "digits", *words, *_COMMON, "--out", run.name)
        process = _started(place, *command)
        began = time.monotonic()
        while not (run / "facts.json").exists() and process.poll() is None:
            time.sleep(0.01)
        # A run that goes on spends its first seconds on what every start costs.
        time.sleep(chance.uniform(0, max(0.5, seconds - (time.monotonic() - began))))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        if process.returncode != -signal.SIGKILL:
            shutil.rmtree(run)
            points = []
            continue
        checkpoints = sorted(one.name for one in (run / "checkpoints").glob("*[0-9]"))
        points.append(
            f"after checkpoint {int(checkpoints[-1])}" if checkpoints else "before the first checkpoint"
        )
        if (run / "model/bundle.json").exists():
            points[-1] += ", its model saved"
    return points


def _started(place: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "lensmith", *words],
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _lensmith(place: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lensmith", *words], cwd=place, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"lensmith {' '.join(words)}: {done.returncode}\n{done.stderr}")


def _weights(run: Path) -> str:
    return hashlib.sha256((run / "model/weights.safetensors").read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
