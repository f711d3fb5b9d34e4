"""`lensmith inspect --html`: where the page goes, and what stands where suspects were not looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import command, tree
from drawn import draw_classes
from painted import paint_folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    draw_classes(tmp_path / "photos", ant=22, bee=22)  # no two alike
    (tmp_path / "photos/bee/copy.png").write_bytes((tmp_path / "photos/ant/0.png").read_bytes())
    return tmp_path


def test_a_page_beside_the_data(place: Path) -> None:
    before = tree(place / "photos")
    done = command("inspect", "photos", "--no-suspects", "--json", "--html", "out/found.html", cwd=place)
    assert done.code == 1 and tree(place / "photos") == before
    assert done.json["suspects"] == {"left_out": "not asked for"}
    page = (place / "out/found.html").read_text(encoding="utf-8")
    assert page.count('class="pick"') == 2 and "bee/copy.png" in page and "Conflict" in page
    assert "out/found.html: 2 pictures to look through" in done.err
    assert "lensmith train photos decisions=decisions.csv" in done.err


@pytest.mark.parametrize(("page", "words"), [("photos/x.html", "lies under the data"), (".", "is a folder")])
def test_a_page_has_its_place(place: Path, page: str, words: str) -> None:
    before = tree(place)
    command("inspect", "photos", "--html", page, cwd=place).refused(2, words)
    assert tree(place) == before


def test_where_suspects_are_left_out_it_says_why(tmp_path: Path) -> None:
    paint_folder(tmp_path / "few", ant=4, bee=4)
    done = command("inspect", "few", cwd=tmp_path)
    assert "label suspects: left out; 8 pictures are too few to learn from" in done.out
