"""Wall seconds of the parts of a peer's script, and the last line that it prints. Import it first."""

import json
import time

BEGAN = time.time()
PARTS: dict[str, float] = {}


def lap(part: str) -> float:
    """Count what has passed since the last call, or since the start, to `part`; returns seconds since the start."""
    now = seconds()
    PARTS[part] = PARTS.get(part, 0.0) + now - sum(PARTS.values())
    return now


def seconds() -> float:
    return time.time() - BEGAN


def report(accuracy: float, seed: int, **more: float) -> None:
    parts = {part: round(value, 2) for part, value in PARTS.items()}
    facts = {"accuracy": accuracy, "seconds": round(seconds(), 2), "parts": parts, "seed": seed}
    print(json.dumps(facts | more))
