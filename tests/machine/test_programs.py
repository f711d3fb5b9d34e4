"""Other programs: found where PATH says, ended when their time is up with all that they started."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from lensmith.machine.programs import ask_program, find_program

pytestmark = pytest.mark.skipif(os.name != "posix", reason="by shell scripts")


def test_a_program_of_the_current_folder_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    for place in (tmp_path / "git", tmp_path / "bin" / "git"):
        place.write_text("#!/bin/sh\n")
        place.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "bin", str(tmp_path / "bin")]))
    assert find_program("git") == str(tmp_path / "bin" / "git")
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "bin"]))
    assert find_program("git") is None


def test_a_program_that_hangs_is_ended_with_what_it_started_and_what_it_said_is_kept(tmp_path: Path) -> None:
    late = tmp_path / "late"
    words = f"echo before; echo odd >&2; (sleep 2; touch {late}) & sleep 60"
    start = time.monotonic()
    said = ask_program(["/bin/sh", "-c", words], 1)
    assert (said.code, said.out, said.err, said.ok) == (None, "before\n", "odd\n", False)
    assert time.monotonic() - start < 30
    time.sleep(2)
    assert not late.exists()


def test_what_a_program_says_in_one_or_apart() -> None:
    program = "import sys; print('a', flush=True); print('b', file=sys.stderr); sys.exit(3)"
    apart = ask_program([sys.executable, "-c", program], 60)
    assert (apart.code, apart.out, apart.err) == (3, "a\n", "b\n")
    in_one = ask_program([sys.executable, "-c", program], 60, in_one=True)
    assert (in_one.code, in_one.out, in_one.err) == (3, "a\nb\n", "")
    with pytest.raises(OSError):
        ask_program(["/no/such/program"], 60)
