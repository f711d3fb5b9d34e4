"""One process of a sweep: it makes trials until there are enough or it is told to end."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lensmith.errors import LensmithError


def main() -> int:
    """Orders come as a line of JSON on stdin; what came of it goes to stdout as one."""
    orders = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_watch, daemon=True).start()
    try:
        said = {"words": _work(orders)}
    except LensmithError as error:
        said = {"error": error.message, "hint": error.hint}
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


def _work(orders: dict[str, Any]) -> str:
    import torch

    from lensmith.runs.recipe import Recipe
    from lensmith.searching.begin import Wish, begin
    from lensmith.searching.grounds import load_roles
    from lensmith.searching.place import SweepDirectory
    from lensmith.searching.search import Goal, search
    from lensmith.searching.study import open_study
    from lensmith.searching.timetable import Timetable
    from lensmith.searching.trying import Trying
    from lensmith.searching.ways import Sights

    torch.set_num_threads(orders["threads"])
    place = SweepDirectory(Path(orders["folder"]))
    facts = place.facts()
    recipe = Recipe().changed(**facts["base"])
    roles = load_roles(orders["source"], recipe, place.splits_file)
    begun = _ended(begin(orders["source"], Wish(Recipe()), roles, facts))
    folder = str(place.path.absolute())
    study = open_study(orders["url"], place.study, facts, folder, orders["number"])
    trying = Trying(begun.setting, Sights(begun.setting) if begun.is_of_heads else None, place.trials)
    goal = Goal(orders["wanted"], Timetable(**orders["table"]), facts["figure"])
    base = begun.base.changed(threads=orders["threads"])
    words: str = _ended(search(study, trying, base, goal))
    return words


def _ended(going: Any) -> Any:
    while True:
        try:
            next(going)
        except StopIteration as end:
            return end.value


def _watch() -> None:
    """Whoever gave the orders holds our stdin open; when it closes, they are gone."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
