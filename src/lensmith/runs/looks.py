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
    seen = len(looks_at(looks_file, fingerprint))
    time = datetime.now(UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError):
        append_json_line(looks_file, {"time": time, "fingerprint": fingerprint, "split": split, "run": run})
    return seen + 1


def looks_at(looks_file: Path, fingerprint: str) -> list[str]:
    """The names of the runs that looked at the split with this fingerprint, the oldest first."""
    looks = [look for look in read_json_lines(looks_file) if isinstance(look, dict)]
    return [str(look.get("run", "")) for look in looks if look.get("fingerprint") == fingerprint]
