"""Thousands of hostile requests and damaged pictures against a served bundle: no fault, no crash, memory flat.

    python bench/fuzz_server.py RUN PICTURES [--requests 8000] [--pictures-damaged 2000] [--schema 2000] [--seed 0]
    python bench/fuzz_server.py RUN PICTURES --short

`--requests` are drawn by tests/server/hostile.py (damaged and oversized bodies, chunks, compression, slow and cut off
senders, traversal, other hosts and origins, header floods, odd lengths, JSON of all shapes); `--pictures-damaged`
are files of PICTURES with bytes changed; `--schema` come from schemathesis, which reads /openapi.json
(`python bench/peers/install.py schemathesis_cli`). Each has to be answered as is written beside it, the server's
log may hold no error, and its memory may not grow. Exit code 1 where something is wrong. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from load import pictures_in
from rows import BENCH, python_of
from running import memory

sys.path.insert(0, str(BENCH.parent / "tests/server"))

from hostile import READ, Hostile, answer_to, damaged, drawn_picture, fault_in, hostile, post

from lensmith.server.limits import Limits

AT_ONCE, PARTS = 8, 8
MOST_GROWTH_MB = 16
"""Between the most of the first half of the looks and the most of the second. The allocator keeps some of what large
pictures took (a damaged header can ask for 50 million pixels), and soon has kept the most; a leak would go on."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not start")


def sent_all(port: int, asked: list[Hostile]) -> list[str]:
    """What was wrong with the answers."""

    def one(sent: Hostile) -> str:
        try:
            return fault_in(sent, answer_to(port, sent))
        except (OSError, ValueError, KeyError) as error:
            return f"{sent.kind}: {type(error).__name__} {error}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [fault for fault in pool.map(one, asked) if fault]


def by_schema(port: int, count: int, seed: int) -> dict[str, Any]:
    """How many requests schemathesis made, and what it found; checks are its own, for all kinds of faults.

    It calls every body "valid" that the schema allows, and takes a picture for any bytes: that check is left out.
    """
    program = Path(python_of("schemathesis_cli")).parent / "schemathesis"
    with tempfile.TemporaryDirectory() as place:
        words = [str(program), "run", f"http://127.0.0.1:{port}/openapi.json", "--max-examples", str(count)]
        words += ["--seed", str(seed), "--phases", "coverage,fuzzing", "--checks", "all", "--no-shrink"]
        words += ["--exclude-checks", "positive_data_acceptance", "--continue-on-failure"]
        done = subprocess.run(words, cwd=place, capture_output=True, text=True)
    found = re.search(r"(\d[\d,]*) generated", done.stdout)
    made = int(found[1].replace(",", "")) if found else 0
    said = [] if done.returncode == 0 else [(done.stdout + done.stderr)[-4000:]]
    return {"sent": made, "number_of_faults": len(said), "faults": said}


def log_faults(lines: list[str]) -> list[str]:
    """Lines of the server's log that are no JSON, or errors; the first two and the last are words for a person."""
    found = []
    for line in lines:
        try:
            if json.loads(line)["level"] in ("error", "critical"):
                found.append(line)
        except ValueError:
            found.append(line)
    return found


@contextlib.contextmanager
def served(run: str, result: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """A server; afterwards `result` holds its exit code and what its log holds that it should not."""
    port = free_port()
    command = [sys.executable, "-m", "lensmith", "serve", run, "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "SSH_CONNECTION": ""})
        try:
            wait_for(port, process)
            result["port"] = port
            yield process
        finally:
            process.terminate()
            result["exit"] = process.wait(30)
        log.seek(0)
        result["log"] = log_faults(log.read().splitlines()[2:-1])[:20]


def fuzzed(
    port: int, count: int, draw_one: Callable[[], Hostile], look: Callable[[], None]
) -> dict[str, Any]:
    """Send so many, in parts, with a look at the memory after each."""
    kinds: Counter[str] = Counter()
    faults: list[str] = []
    for _ in range(PARTS):
        part = [draw_one() for _ in range(count // PARTS)]
        kinds.update(one.kind for one in part)
        faults += sent_all(port, part)
        look()
    return {
        "sent": kinds.total(),
        "number_of_faults": len(faults),
        "faults": faults[:20],
        "kinds": kinds,
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--pictures-damaged", type=int, default=2000)
    parser.add_argument("--schema", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--short", action="store_true")
    words = parser.parse_args()
    if words.short:
        words.requests, words.pictures_damaged, words.schema = 300, 100, 30
    draw, limits = random.Random(words.seed), Limits()
    contents = [file.read_bytes() for file in pictures_in(words.pictures, 64)]

    def a_request() -> Hostile:
        return hostile(draw, limits, draw.choice([drawn_picture(draw), draw.choice(contents)]))

    def a_photo() -> Hostile:
        return Hostile("photo", [post(damaged(draw, draw.choice(contents)))], READ)

    result: dict[str, Any] = {}
    looks: list[int] = []
    with served(words.run, result) as process:

        def look() -> None:
            looks.append(round(memory(process.pid)[1] / 2**20))

        port = result.pop("port")
        parts = [
            fuzzed(port, words.requests, a_request, look),
            fuzzed(port, words.pictures_damaged, a_photo, look),
            by_schema(port, words.schema, words.seed),
        ]
        look()
        well = answer_to(port, Hostile("well", [post(contents[0])], READ)).startswith(b"HTTP/1.1 200")
    growth = max(looks[len(looks) // 2 :]) - max(looks[: len(looks) // 2])
    bad = any(part["number_of_faults"] for part in parts) or result["log"] or result["exit"]
    result |= dict(zip(("requests", "damaged pictures", "schema"), parts, strict=True))
    result |= {"memory_mb": looks, "well": well, "holds": well and not bad and growth <= MOST_GROWTH_MB}
    print(json.dumps(result, indent=1))
    return int(not result["holds"])


if __name__ == "__main__":
    sys.exit(main())
