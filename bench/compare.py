"""Run the sides of a row in turn, A B A B ..., and compare them: medians and spread of wall and CPU seconds.

    python bench/compare.py ROW            # `make bench ROW=...` calls this; rows are in rows.py
    python bench/compare.py ROW --short    # one small run of each side, to see that it works; nothing is kept
    python bench/compare.py ROW --table    # the table of the runs so far
    python bench/compare.py ROW --sides A B  # these of its sides alone; the others can follow

Every side runs in a new process, one after the other, so that a machine whose speed drifts hurts all alike. Each
run is a line in bench/logs/ROW.jsonl, also one that failed or came to its limit; a row that was cut off goes on
where it stopped. To run something again, delete its line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from rows import ROWS, Row, Trial
from running import Run, run_side
from table import machine, table

BENCH = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--sides", nargs="*", metavar="SIDE", help="these alone [all]")
    arguments = parser.parse_args()
    row = ROWS[arguments.row]
    for name, what in ({} if arguments.table else row.needs).items():
        if not Path(os.environ.get(name, "")).is_dir() or not os.environ.get(name):
            sys.exit(f"set {name} to {what}")
    log = BENCH / "logs" / f"{arguments.row}.jsonl"
    runs = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if arguments.short:
        runs = list(compare(row, [], None))
    elif not arguments.table:
        log.parent.mkdir(exist_ok=True)
        runs = list(compare(row, runs, log, arguments.sides))
    print(table(runs))


def compare(row: Row, done: list[Run], log: Path | None, wanted: list[str] | None = None) -> list[Run]:
    """Run what is missing of the wanted sides, and keep each run in `log`; without one, a short form, once."""
    runs = list(done)
    for turn, seed in enumerate(row.seeds if log else row.seeds[:1]):
        sides = list(row.sides(Trial(seed, short=log is None)).items())
        # Nobody always follows the same neighbour.
        for name, side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:
            there = any(run["side"] == name and run["seed"] == seed for run in runs)
            if there or (wanted is not None and name not in wanted):
                continue
            run = {"side": name, "seed": seed, **run_side(side), "on": machine()}
            runs.append(run)
            print(json.dumps(run), flush=True)
            if log:
                with log.open("a") as file:
                    file.write(json.dumps(run) + "\n")
    order = {name: at for at, name in enumerate(row.sides(Trial(row.seeds[0], short=True)))}
    return sorted(runs, key=lambda run: (order.get(run["side"], len(order)), run["seed"]))


if __name__ == "__main__":
    main()
