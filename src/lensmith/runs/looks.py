"""How often a held-out split was looked at: each look makes the next figure a little less honest."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from lensmith.runs.files import append_json_line, read_json_lines


def record_look(looks_file: Path, *, fingerprint: str, run: str, split: str) -> int:
    """Note a look at the split with this fingerprint; returns how often it was seen, this look included.

    The file lies beside the run, where `--out` may name a place that only the run itself can write to: a
    measured run is not lost over the note.
    """
    looks = [look for look in read_json_lines(looks_file) if isinstance(look, dict)]
    seen = sum(1 for look in looks if look.get("fingerprint") == fingerprint)
    time = datetime.now(UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError):
        append_json_line(looks_file, {"time": time, "fingerprint": fingerprint, "split": split, "run": run})
    return seen + 1
