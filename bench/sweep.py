"""Does a sweep end within its budget, and how many of its trials does it make by then?

    python bench/sweep.py hymenoptera_data --trials 20 --budget 90s
    python bench/sweep.py few-50 --trials 20 --budget 5m pretrained=false     # as bench/few.py makes it

A line of JSON: seconds by the clock and of the processor, trials made, the verdict, what the run was measured at. The
exit code is 1 where the budget was not kept, or where trials are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lensmith.runs.fields import seconds_of


def swept(source: Path, trials: int, budget: str, words: list[str]) -> dict[str, object]:
    """One sweep in a process of its own, with nothing in the cache."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "lensmith", "sweep", str(source.absolute()), *words]
        command += ["--trials", str(trials), "--budget", budget, "--json"]
        began = time.time()
        done = subprocess.run(
            command,
            cwd=place,
            env=os.environ | {"LENSMITH_CACHE": str(Path(place) / "cache")},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds, used = time.time() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        said = json.loads(done.stdout)
    made = [one for one in said["sweep"]["trials"] if one["state"] in ("complete", "pruned")]
    return {
        "data": source.name,
        "words": words,
        "budget": seconds_of(budget),
        "seconds": round(seconds, 1),
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "trials": trials,
        "made": len(made),
        "pruned": sum(one["state"] == "pruned" for one in made),
        "usual": said["sweep"]["usual"]["value"],
        "best": said["sweep"]["best"]["value"],
        "verdict": said["sweep"]["verdict"],
        "held_out": said["report"][said["sweep"]["figure"]],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("words", nargs="*", help="recipe fields, as for lensmith sweep")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--budget", default="90s")
    asked = parser.parse_args()
    found = swept(asked.data, asked.trials, asked.budget, asked.words)
    print(json.dumps(found))
    sys.exit(found["seconds"] > found["budget"] or found["made"] < found["trials"])  # type: ignore[operator]
