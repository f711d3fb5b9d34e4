"""How often `compare` tells a truly better model from a worse one, and how often it does so in vain, as JSON.

    python bench/compared.py > bench/logs/compared.json

Two models answer the same pictures. Of `apart` of all pictures one alone is right, so that the first is better by
`better`. The share of 1,000 draws in which the first is said to be better stands beside what the test can do at best
at that size (Connor, Biometrics 43 (1987), p. 207); of two equally good ones, how often either is said to be better.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from lensmith.evaluation.comparison import Measured, compare
from lensmith.runs.predictions import Predictions

DRAWS = 1000
Z95 = 1.96
CASES = [
    (count, better, apart)
    for count in (153, 1000, 10_000)
    for better, apart in ((0.0, 0.05), (0.0, 0.1), (0.01, 0.05), (0.02, 0.06), (0.05, 0.1), (0.1, 0.14))
]


def model(name: str, right: np.ndarray[Any, Any]) -> Measured:
    targets = np.zeros(len(right), np.int64)
    logits = np.eye(2, dtype=np.float32)[(~right).astype(int)]
    names = np.arange(len(right)).astype(str)
    return Measured(name, "classification", ["a", "b"], Predictions(names, targets, logits, names, names))


def told(count: int, better: float, apart: float, draws: int) -> tuple[float, float]:
    """Shares of draws in which the first, and the second, is said to be better."""
    draw, found = np.random.default_rng(0), []
    first, second = (apart + better) / 2, (apart - better) / 2
    for _ in range(draws):
        kind = draw.choice(4, count, p=[first, second, 0.8 - first, 0.2 - second])
        sides = model("first", (kind == 0) | (kind == 2)), model("second", (kind == 1) | (kind == 2))
        found.append(compare(sides)[0].better)
    return found.count("first") / draws, found.count("second") / draws


def at_best(count: int, better: float, apart: float) -> float:
    """The power of McNemar's test."""
    z = (better * math.sqrt(count) - Z95 * math.sqrt(apart)) / math.sqrt(apart - better**2)
    return 0.5 * math.erfc(-z / math.sqrt(2))


def main() -> None:
    rows = []
    for count, better, apart in CASES:
        draws = DRAWS if count <= 1000 else DRAWS // 10
        first, second = told(count, better, apart, draws)
        row = {
            "count": count,
            "better": better,
            "apart": apart,
            "draws": draws,
            "said": first,
            "said_wrongly": second,
        }
        rows.append(row | ({"at_best": round(at_best(count, better, apart), 3)} if better else {}))
    itself = model("one", np.arange(1000) % 7 > 0)
    print(json.dumps({"rows": rows, "itself": compare([itself, itself])[0].verdict()}, indent=1))


if __name__ == "__main__":
    main()
