"""The small paper repositories of `repositories/`, each unpacked as a git repository of its day."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "repositories/papers"


@dataclass(frozen=True)
class PaperRepository:
    """One of them: its headers, and its files by their paths."""

    name: str
    headers: dict[str, str]
    files: dict[str, str]

    def groups(self, header: str) -> list[list[str]]:
        """`a | b ; c` -> [["a", "b"], ["c"]], in lower case."""
        text = self.headers.get(header, "").lower()
        return [[word.strip() for word in group.split("|")] for group in text.split(";") if group.strip()]

    def write(self, root: Path) -> Path:
        """Its files, as one commit of its date."""
        for path, text in self.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        commit_all(root, self.headers.get("date", "2024-01-01"))
        return root


def paper_repository(name: str) -> PaperRepository:
    """The one of that name."""
    head, *parts = re.split(
        r"^=== file ", (FOLDER / f"{name}.txt").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    files = {path.strip(): text for path, _, text in (part.partition("\n") for part in parts)}
    pairs = (line.partition(":") for line in head.splitlines() if line.strip())
    return PaperRepository(name, {key.strip(): value.strip() for key, _, value in pairs}, files)


def names() -> list[str]:
    """All of them."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def commit_all(root: Path, day: str) -> None:
    """Make `root` a git repository with one commit, made at noon of a day."""
    when = f"{day}T12:00:00+0000"
    nobody = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull}
    settings = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    for words in (
        ["init", "--quiet"],
        ["add", "--all", "--force"],
        ["commit", "--quiet", "--allow-empty", "-m", "All"],
    ):
        subprocess.run(
            ["git", *settings, *words],
            cwd=root,
            env={**os.environ, **nobody},
            check=True,
            capture_output=True,
        )
