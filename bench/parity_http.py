"""Whether a served bundle answers as `Bundle.predict` does, on the held-out pictures of its run: one JSON object.

    python bench/parity_http.py RUN [--most 2000]

Each picture is asked about twice, alone and among 32 in JSON. Exit code 1 where a probability differs by more than
0.005, or a label where the top two of the source differ by more than 0.01, or more than 1 in 1,000 elsewhere.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from lensmith.bundle.parity import CLOSE, PROBABILITY, SOME
from parity import held_out
from serve import SERVERS, started

from lensmith.bundle.bundle import load_model

Answer = dict[str, Any]
TOGETHER = 32


def ask(url: str, body: bytes, kind: str) -> Answer:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def served(url: str, contents: list[bytes]) -> tuple[list[Answer], list[Answer]]:
    """The answers to each alone, and to each among others."""
    alone = [ask(url, content, "image/jpeg") for content in contents]
    together: list[Answer] = []
    for start in range(0, len(contents), TOGETHER):
        words = [base64.b64encode(one).decode() for one in contents[start : start + TOGETHER]]
        body = json.dumps({"pictures": words}).encode()
        together += ask(url, body, "application/json")["predictions"]
    return alone, together


def compared(names: list[str], sources: list[Answer], answers: list[Answer]) -> Answer:
    """The largest difference of a probability, and the pictures that got another label."""
    largest, worst, other, close = 0.0, "", [], 0
    for name, source, answer in zip(names, sources, answers, strict=True):
        wanted, found = dict(source["top"]), dict(answer["top"])
        difference = max(abs(wanted[word] - found[word]) for word in wanted.keys() & found.keys())
        if difference >= largest:
            largest, worst = difference, name
        if source["label"] != answer["label"]:
            (_, first), (_, second), *_ = source["top"]
            if first - second > CLOSE:
                other.append(name)
            else:
                close += 1
    holds = largest <= PROBABILITY and not other and close <= len(names) / SOME
    return {"largest": largest, "worst": worst, "other_labels": other, "close_labels": close, "holds": holds}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--most", type=int, default=2000)
    words = parser.parse_args()
    files = held_out(words.run, words.most)
    contents = [Path(file).read_bytes() for file in files]
    bundle = load_model(words.run)
    sources = [bundle.predict(content).as_dict() for content in contents]
    with started(SERVERS["lensmith"], words.run) as process:
        alone, together = served(f"http://127.0.0.1:{process.port}/v1/predict", contents)
    names = [file.name for file in files]
    facts = {
        way: compared(names, sources, found) for way, found in (("alone", alone), ("together", together))
    }
    print(json.dumps({"pictures": len(files), **facts}, indent=1))
    return int(not all(one["holds"] for one in facts.values()))


if __name__ == "__main__":
    sys.exit(main())
