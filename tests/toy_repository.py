"""A small sound repository: it trains in a second, with one small package, and its README claims what it prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

CLAIMED = "97.20%"
README = f"""# Circles

A perceptron with two squares learns which points lie within a circle.

    pip install -r requirements.txt
    python train.py --seed 0

| model | test accuracy |
| --- | --- |
| perceptron | {CLAIMED} |
"""
REQUIREMENTS = "packaging==21.3\n"
TRAIN = '''"""Train a perceptron on points within and outside of a circle."""
import argparse
import random

import packaging

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=5)
draw = random.Random(parser.parse_args().seed)


def points(count):
    for _ in range(count):
        x, y = draw.uniform(-1, 1), draw.uniform(-1, 1)
        yield (x, y, x * x, y * y, 1.0), 1 if x * x + y * y < 0.6 else -1


train, test = list(points(4000)), list(points(1000))
weights = [0.0] * 5


def score(features):
    return sum(w * f for w, f in zip(weights, features))


for epoch in range(parser.parse_args().epochs):
    for features, label in train:
        if label * score(features) <= 0:
            for i, f in enumerate(features):
                weights[i] += 0.1 * label * f
    right = sum(label * score(features) > 0 for features, label in test)
    print(f"Epoch {epoch + 1}, packaging {packaging.__version__}: train done")
    print(f"Test accuracy: {100 * right / len(test):.2f}% ({right}/{len(test)})", flush=True)
'''


def write_toy(root: Path, *, requirements: str = REQUIREMENTS, commit: bool = True) -> Path:
    """Write it into `root`, as a git repository with one commit of 2022."""
    root.mkdir(parents=True)
    (root / "README.md").write_text(README, encoding="utf-8")
    (root / "requirements.txt").write_text(requirements, encoding="utf-8")
    train = (
        TRAIN
        if requirements
        else TRAIN.replace("import packaging\n", "").replace("{packaging.__version__}", "-")
    )
    (root / "train.py").write_text(train, encoding="utf-8")
    if commit:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        for words in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "Circles"]):
            subprocess.run(
                ["git", *words],
                cwd=root,
                check=True,
                env={
                    "PATH": "/usr/bin:/bin",
                    "GIT_COMMITTER_DATE": "2022-03-04T12:00:00Z",
                    "GIT_AUTHOR_DATE": "2022-03-04T12:00:00Z",
                },
            )
    return root
