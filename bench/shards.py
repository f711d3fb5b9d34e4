"""What pictures cost that lie in shards, beside the same pictures in a folder, in CPU seconds.

    python bench/shards.py FOLDER SIZE [--repeats 5]

Writes FOLDER as shards into the folder for temporary files, then passes through both in turn, each in a process and
with a store of its own. `first epoch` counts from the listing on, until all batches of tensors were there; `second
epoch` is one more pass through the store, the mean of ten; `opened anew` is what a second process would do until its
first pass is over. `streamed` is a pass that keeps nothing, windows and mirroring included, beside the folder decoded
into memory and passed through in the same way. Prints one JSON object: medians, and the folder's seconds divided by
the shards'.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

BATCH = 64
PASSES = 10
"""Later passes that are timed together: one is over too soon."""


def cpu() -> float:
    """Seconds that this process and its children computed."""
    return sum(os.times()[:4])


def ended(going: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(going)
        except StopIteration as end:
            return end.value


def count(batches: Iterable[Any]) -> int:
    return sum(len(batch) for batch in batches)


def resident(source: str, size: int) -> dict[str, float]:
    """Through the store."""
    import torch

    from lensmith.data.sources import load_data
    from lensmith.pictures.preprocess import Preprocess
    from lensmith.store.store import open_column

    def opened() -> Any:
        return ended(open_column(load_data(source), preprocess)).pixels

    def batches(pixels: Any) -> Iterable[Any]:
        for start in range(0, len(pixels), BATCH):
            yield torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).clone()

    preprocess = Preprocess(size, resize=None if size == 32 else size * 8 // 7)
    marks = [cpu()]
    pixels = opened()
    found = [count(batches(pixels))]
    marks.append(cpu())
    for _ in range(PASSES):
        count(batches(pixels))
    marks.append(cpu())
    found.append(count(batches(opened())))
    marks.append(cpu())
    first, second, anew = (later - earlier for earlier, later in itertools.pairwise(marks))
    if len(set(found)) > 1:
        raise SystemExit(f"{found} pictures in the passes")
    return {"first epoch": first, "second epoch": second / PASSES, "opened anew": anew, "pictures": found[0]}


def passing(source: str, size: int) -> dict[str, float]:
    """Without a store: streamed where the pictures lie in shards, else decoded into memory first."""
    import torch

    from lensmith.batches.augment import Augment
    from lensmith.batches.batches import Batches
    from lensmith.batches.streamed import stream
    from lensmith.data.sharded import are_shards
    from lensmith.data.sources import load_data
    from lensmith.data.target_array import target_array
    from lensmith.pictures.preprocess import Preprocess
    from lensmith.store.store import open_column

    began = cpu()
    data, preprocess = load_data(source), Preprocess(size)
    spare = 1.0 if size == 32 else 1.15
    batches: Any
    if are_shards(source):
        batches = stream(data, preprocess, BATCH, spare=spare)
    else:
        column = ended(open_column(data, preprocess.enlarged(spare), store=False))
        targets = torch.from_numpy(target_array(column.matching(data)))
        batches = Batches(torch.from_numpy(column.pixels), targets, preprocess, BATCH, Augment())
    found = sum(len(batch.images) for batch in batches(0))
    return {"streamed": cpu() - began, "pictures": found}


WAYS = {"resident": resident, "passing": passing}


def measured(way: str, source: Path, size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="lensmith-bench-cache-") as cache:
        words = [sys.executable, __file__, str(source), str(size), "--way", way]
        done = subprocess.run(
            words, env=os.environ | {"LENSMITH_CACHE": cache}, capture_output=True, text=True, check=True
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("size", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--way", choices=sorted(WAYS))
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(WAYS[arguments.way](str(arguments.folder), arguments.size)))
        return
    from lensmith.data.dealing import write_shards
    from lensmith.data.sources import load_data

    place = Path(tempfile.mkdtemp(prefix="lensmith-bench-shards-"))
    try:
        began = cpu()
        data = load_data(arguments.folder)
        written = ended(write_shards(data, place / "shards", str(arguments.folder)))
        print(
            f"{written.count:,} pictures in {len(written.shards)} shards, {cpu() - began:.1f} s",
            file=sys.stderr,
        )
        sides: dict[str, list[dict[str, float]]] = {"folder": [], "shards": []}
        for _ in range(arguments.repeats):
            for side, source in (("folder", arguments.folder), ("shards", place / "shards")):
                sides[side].append(
                    {
                        name: value
                        for way in WAYS
                        for name, value in measured(way, source, arguments.size).items()
                    }
                )
                print(side, sides[side][-1], file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(place)
    names = [name for name in sides["folder"][0] if name != "pictures"]
    medians = {
        side: {name: statistics.median(one[name] for one in rows) for name in names}
        for side, rows in sides.items()
    }
    ratios = {name: medians["folder"][name] / medians["shards"][name] for name in names}
    spread = {
        name: [min(values), max(values)]
        for name in names
        for values in [[a[name] / b[name] for a, b in zip(sides["folder"], sides["shards"], strict=True)]]
    }
    print(json.dumps({"medians": medians, "ratios": ratios, "spread": spread}, indent=1))


if __name__ == "__main__":
    main()
