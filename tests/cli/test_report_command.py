"""`lensmith report`: a run's page, written anew."""

from __future__ import annotations

import shutil
from pathlib import Path

from command_line import command


def test_the_page_is_written_anew(trained_digits_copy: Path) -> None:
    run = trained_digits_copy / "runs/digits-001"
    (run / "report.html").unlink()
    done = command("report", "last", cwd=trained_digits_copy)
    assert done.code == 0
    assert "held-out pictures right" in done.out
    assert "report.html" in done.err
    assert (run / "report.html").stat().st_size > 1000


def test_studies_need_the_pictures_that_were_measured(trained_digits_copy: Path) -> None:
    shutil.rmtree(trained_digits_copy / "digits")
    done = command("report", "last", "--full", cwd=trained_digits_copy)
    done.refused(3, "digits", "not there any more")


def test_a_run_that_was_never_measured(trained_digits_copy: Path) -> None:
    (trained_digits_copy / "runs/digits-001/report.json").unlink()
    done = command("report", "last", cwd=trained_digits_copy)
    done.refused(5, "not measured")
