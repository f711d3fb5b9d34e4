"""How fast a bundle is served, beside the same bundle in process, a hand-written FastAPI handler, and LitServe.

    python bench/serve.py RUN PICTURES [--rounds 3] [--count 1000] [--sides lensmith inside fastapi litserve ...]
    python bench/serve.py RUN PICTURES --short          # shows that everything works

RUN/model has to hold a graph. Each round starts every side in turn, on the first two cores, and asks it about the
same pictures over 32 connections. The load's own processor time is told and taken off: with it gone, the answers
would have come in `wall - load's CPU / cores`. Then twice what it took is asked for, in overload, and after that
the first load again. lensmith is started as a person starts it, its log into a file. Prints one JSON object.

The peers' environments: `python bench/peers/install.py fastapi_handler litserve_api`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from load import pictures_in
from rows import python_of
from running import descendants, memory

BENCH = Path(__file__).parent
CONNECTIONS, CORES = 32, 2
INSIDE = """
import json, sys, time
from pathlib import Path
from lensmith.bundle.bundle import load_model
bundle = load_model(sys.argv[1])
contents = [Path(file).read_bytes() for file in sys.argv[3:]]
labels = [one.label for one in bundle.predict(contents)]
begun, used = time.perf_counter(), time.process_time()
turns = max(1, int(sys.argv[2]) // len(contents))
for _ in range(turns):
    bundle.predict(contents)
wall, used, count = time.perf_counter() - begun, time.process_time() - used, turns * len(contents)
names = [Path(file).name for file in sys.argv[3:]]
print(json.dumps({"wall": wall, "cpu": used, "count": count, "labels": dict(zip(names, labels))}))
"""
Facts = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """How one is started on a port, where it is asked, and how it wants a picture."""

    command: Callable[[str, int], list[str]]
    path: str
    form: str = ""


def peer(script: str, *words: str) -> Callable[[str, int], list[str]]:
    python = python_of(script.removesuffix(".py"))
    return lambda run, port: [
        python, str(BENCH / "peers" / script), str(Path(run) / "model"), "--port", str(port), *words
    ]  # fmt: skip


SERVERS = {
    "lensmith": Server(
        lambda run, port: [sys.executable, "-m", "lensmith", "serve", run, "--port", str(port)], "/v1/predict"
    ),
    "fastapi": Server(peer("fastapi_handler.py"), "/predict"),
    "litserve": Server(peer("litserve_api.py"), "/predict", "image"),
    "litserve, 2 workers": Server(peer("litserve_api.py", "--workers", "2"), "/predict", "image"),
}


@dataclass(frozen=True)
class Asked:
    """What is asked of each side."""

    run: str
    folder: Path
    count: int
    pictures: int
    seconds: float


def inside(asked: Asked) -> Facts:
    """Pictures a second of `Bundle.predict`, called with all of the pictures at once."""
    files = map(str, pictures_in(asked.folder, asked.pictures))
    words = [sys.executable, "-c", INSIDE, asked.run, str(asked.count), *files]
    facts: Facts = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return {
        "per_second": facts["count"] / facts["wall"],
        "cpu_ms": facts["cpu"] / facts["count"] * 1e3,
        **facts,
    }


def served(server: Server, asked: Asked) -> Facts:
    """The load of 32 connections, overload, and the load again."""
    with started(server, asked.run) as process, Memory(process.pid) as watch:
        url, form = (
            f"http://127.0.0.1:{process.port}{server.path}",
            ["--form", server.form] if server.form else [],
        )

        def load(*words: str) -> Facts:
            command = [sys.executable, str(BENCH / "load.py"), url, str(asked.folder)]
            command += [*form, "--most", str(asked.pictures), *words]
            return dict(
                json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            )

        def steady(count: int) -> Facts:
            used = cpu_seconds(process.pid)
            facts = load("--connections", str(CONNECTIONS), "--count", str(count))
            used = cpu_seconds(process.pid) - used
            if set(facts["statuses"]) != {"200"}:
                raise SystemExit(f"{server.command(asked.run, 0)} answers {facts['statuses']}")
            rest = facts["wall"] - facts["own_cpu"] / CORES
            return {
                "per_second": count / rest,
                "per_second_with_load": count / facts["wall"],
                "cpu_ms": used / count * 1e3,
                "load_cpu_ms": facts["own_cpu"] / count * 1e3,
                **{name: facts[name] for name in ("ms", "statuses", "labels")},
            }

        steady(min(200, asked.count))  # warm
        first, before = steady(asked.count), watch.now()
        rate = 2 * first["per_second_with_load"]
        over = load("--connections", "200", "--rate", str(rate), "--seconds", str(asked.seconds))
        over_peak = watch.peak
        again = steady(asked.count)
        del again["labels"], over["labels"]
        return {
            **first,
            "overload": {"asked_per_second": rate, **over},
            "again_per_second": again["per_second"],
            "memory_mb": {"before": before, "overload": over_peak, "after": watch.now()},
        }


class Running(subprocess.Popen[bytes]):
    """A server that listens on `port`."""

    port: int


@contextlib.contextmanager
def started(server: Server, run: str) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        process = Running(server.command(run, port), stdout=log, stderr=log, start_new_session=True)
        process.port = port
        try:
            wait_for_answers(process, log)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for_answers(process: Running, log: Any) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", process.port), 1) as line:
            line.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            if line.recv(16).startswith(b"HTTP/1.1 200"):
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    log.seek(0)
    raise SystemExit(f"no server: {log.read()[-2000:].decode(errors='replace')}")


class Memory:
    """MB of a process and its descendants, those pages alone that are of no file; the most so far is `peak`."""

    def __init__(self, pid: int) -> None:
        import threading

        self.peak = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def now(self) -> int:
        found = round(sum(memory(pid)[1] for pid in descendants(self._pid)) / 2**20)
        self.peak = max(self.peak, found)
        return found

    def _look(self) -> None:
        while not self._over.wait(0.5):
            self.now()

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, its living descendants, and those that it has waited for."""
    ticks = 0
    for one in descendants(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11 : 15 if one == pid else 13])
    return ticks / os.sysconf("SC_CLK_TCK")


def summary(rounds: list[dict[str, Facts]]) -> Facts:
    """Medians over the rounds, and each server's share of what is computed in process in the same round."""
    found: Facts = {}
    for side in rounds[0]:
        rates = [one[side]["per_second"] for one in rounds]
        found[side] = {"per_second": statistics.median(rates), "from": min(rates), "to": max(rates)}
        found[side]["cpu_ms"] = statistics.median(one[side]["cpu_ms"] for one in rounds)
        if "inside" in rounds[0] and side != "inside":
            shares = [one[side]["per_second"] / one["inside"]["per_second"] for one in rounds]
            found[side]["of_inside"] = statistics.median(shares)
            wrong = [
                n for n, word in rounds[0][side]["labels"].items() if rounds[0]["inside"]["labels"][n] != word
            ]
            found[side]["other_labels"] = len(wrong)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of overload")
    parser.add_argument("--sides", nargs="+", choices=["inside", *SERVERS], default=["inside", *SERVERS])
    parser.add_argument("--short", action="store_true")
    words = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    asked = Asked(words.run, words.pictures, words.count, 128, words.seconds)
    if words.short:
        asked, words.rounds = Asked(words.run, words.pictures, 64, 16, 2.0), 1
    rounds: list[dict[str, Facts]] = []
    for number in range(words.rounds):
        rounds.append({})
        for side in words.sides:
            load = round(os.getloadavg()[0], 1)
            facts = inside(asked) if side == "inside" else served(SERVERS[side], asked)
            rounds[-1][side] = {**facts, "loadavg": load}
            print(f"{number + 1} {side}: {facts['per_second']:.1f} a second", file=sys.stderr, flush=True)
    result = {"summary": summary(rounds), "rounds": rounds}
    for one in rounds:
        for facts in one.values():
            del facts["labels"]
    print(re.sub(r"\d+\.\d{4,}", lambda number: f"{float(number[0]):.4g}", json.dumps(result, indent=1)))


if __name__ == "__main__":
    main()
