"""`RUN/report.html`."""

from __future__ import annotations

from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import write_text


def write_page(run: RunDirectory) -> None:
    """Write the page of a run."""
    write_text(run.page_file, "")
