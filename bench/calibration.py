"""Whether stated probabilities come true, and whether the error that was asked for is kept, as one JSON object a run.

    python bench/calibration.py CIFAR10 --seeds 3 --budget 70s >> bench/logs/calibration.jsonl

Each seed is one training with `max_error`; everything is measured on the pictures that it held out, once. Printed are
the gap between stated and true (adaptive ECE, 15 bins) and the log loss, with the temperature and without, the share
of pictures that get an answer, and how many of those answers are wrong.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import lensmith as lm


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget")
    parser.add_argument("--max-error", type=float, default=0.02)
    words = parser.parse_args()
    for seed in range(words.seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = lm.train(
                words.pictures,
                budget=words.budget,
                seed=seed,
                max_error=words.max_error,
                out=Path(folder) / "run",
            )
            said, chosen = run.report.studies["reliability"], run.directory.facts()["calibration"]
        found = {name: said[name] for name in said if name not in ("bins", "possible", "verdict")}
        asked = {name: chosen[name] for name in ("temperature", "count", "max_error", "proven")}
        name, accuracy = Path(words.pictures).name, run.report["accuracy"].as_dict()
        print(json.dumps({"data": name, "seed": seed, "accuracy": accuracy, **asked, **found}), flush=True)


if __name__ == "__main__":
    main()
