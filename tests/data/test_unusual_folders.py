"""Links, pipes and folders that nobody may open: told, and never waited for."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn import draw_classes, reasons

from lensmith.data.sources import load_data
from lensmith.errors import DataError


@pytest.mark.fault(16)
@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_followed_to_classes_and_never_in_a_circle(tmp_path: Path) -> None:
    elsewhere = draw_classes(tmp_path / "elsewhere", felines=2)
    root = draw_classes(tmp_path / "pets", dogs=2)
    (root / "cats").symlink_to(elsewhere / "felines")
    (root / "all").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "self").symlink_to(root / "self")
    (root / "dogs" / "round").symlink_to(root / "dogs")
    (root / "dogs" / "others").symlink_to(elsewhere)
    (root / "dogs" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (root / "dogs" / "linked.png").symlink_to(elsewhere / "felines" / "0.png")
    data = load_data(root)
    assert data.classes == ["cats", "dogs"]
    assert data.counts() == {"cats": 2, "dogs": 3}
    circle = "a link to a folder, which is not followed"
    assert reasons(data, root) == {
        "all": circle,
        "up": circle,
        "self": "not an ordinary file",
        str(Path("dogs/round")): circle,
        str(Path("dogs/others")): circle,
        str(Path("dogs/lost.png")): "not an ordinary file",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    draw_classes(tmp_path, cats=2, dogs=2)
    os.mkfifo(tmp_path / "cats" / "pipe.jpg")
    data = load_data(tmp_path)
    assert reasons(data, tmp_path) == {str(Path("cats/pipe.jpg")): "not an ordinary file"}
    assert len(data.ids) == 4


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that everybody can reach, and no rights beyond an ordinary user's."""
    if sys.platform == "win32":
        pytest.skip("rights work otherwise there")
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    root = os.geteuid() == 0
    try:
        yield place
    finally:
        if root:
            os.seteuid(0)
        for folder in place.rglob("*"):
            if folder.is_dir():
                folder.chmod(0o755)
        shutil.rmtree(place)


@pytest.mark.fault(17)
def test_a_folder_that_cannot_be_opened_is_told(as_nobody: Path) -> None:
    root = draw_classes(as_nobody / "pets", cats=2, dogs=2)
    draw_classes(root / "cats", private=2)
    (root / "cats" / "private").chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    data = load_data(root)
    assert len(data) == 4
    assert reasons(data, root) == {str(Path("cats/private")): "cannot be opened (Permission denied)"}


def test_data_that_cannot_be_opened_are_an_error_of_the_data(as_nobody: Path) -> None:
    root = draw_classes(as_nobody / "pets", cats=2, dogs=2)
    root.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    with pytest.raises(DataError, match="pets: cannot be opened"):
        load_data(root)
