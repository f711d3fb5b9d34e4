"""decisions.csv: each row finds its picture, does what it says, and is refused where it cannot."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from drawn import draw, draw_classes, tree_hash

from lensmith.data.decisions import Decided, decide, read_decisions
from lensmith.data.sources import load_data
from lensmith.data.splitting import Roles, assign_roles
from lensmith.errors import DataError


def decided(
    root: Path, *rows: tuple[str, ...], header: str = "path,sha256,decision,label"
) -> tuple[Roles, Decided]:
    file = root.parent / "decisions.csv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([tuple(header.split(",")), *rows])
    before = tree_hash(root)
    found = decide(assign_roles(load_data(root)), read_decisions(file), file, root)
    assert tree_hash(root) == before
    return found


def sha(root: Path, path: str) -> str:
    data = load_data(root)
    return next(i for i, e in zip(data.ids, data.examples, strict=True) if e.source == root / path)


def shown(roles: Roles, root: Path) -> dict[str, str]:
    data = roles.as_data()
    return {e.source.relative_to(root).as_posix(): data.words(e.target) for e in data.examples}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    draw_classes(tmp_path / "pets" / "train", cats=5, dogs=5)
    draw_classes(tmp_path / "pets" / "val", first=50, cats=3, dogs=3)
    return tmp_path / "pets"


def test_pictures_are_dropped_and_relabelled_in_every_split(root: Path) -> None:
    roles, facts = decided(
        root,
        ("train/cats/0.png", "", "drop", ""),
        ("train/cats/1.png", "", "relabel", "dogs"),
        ("val/dogs/2.png", "", "relabel", "cats"),
        ("val/dogs/1.png", "", "keep", ""),
        ("train/dogs/1.png", "", "relabel", "dogs"),  # it says so already
    )
    found = shown(roles, root)
    assert "train/cats/0.png" not in found and len(found) == 15
    assert found["train/cats/1.png"] == "dogs" and found["val/dogs/2.png"] == "cats"
    assert found["val/dogs/1.png"] == "dogs"
    assert facts.as_dict() | {"file": "", "sha256": ""} == {
        "file": "",
        "sha256": "",
        "dropped": {"train": 1},
        "relabelled": {"train": 1, "val": 1},
        "kept": 2,
        "by_path": 0,
    }
    assert "1 left out and 2 relabelled (1 relabelled in val: what is measured is another" in facts.words()


def test_a_picture_that_moved_is_found_by_its_bytes(root: Path) -> None:
    moved = sha(root, "train/cats/0.png")
    (root / "train/cats/0.png").rename(root / "train/cats/new name.png")
    roles, facts = decided(root, ("train/cats/0.png", moved, "drop", ""))
    assert "train/cats/new name.png" not in shown(roles, root) and facts.by_path == 0


def test_a_file_that_changed_is_found_by_its_path_and_that_is_said(root: Path) -> None:
    before = sha(root, "train/cats/0.png")
    draw(root / "train/cats/0.png", seed=999)
    roles, facts = decided(root, ("train/cats/0.png", before, "drop", ""))
    assert "train/cats/0.png" not in shown(roles, root)
    assert facts.by_path == 1 and "1 of the files have changed since" in facts.words()


def test_of_equal_pictures_the_one_at_the_path_is_meant(root: Path) -> None:
    (root / "train/dogs/copy.png").write_bytes((root / "train/cats/0.png").read_bytes())
    both = sha(root, "train/cats/0.png")
    roles, _ = decided(
        root, ("train/dogs/copy.png", both, "drop", ""), ("train/cats/0.png", both, "keep", "")
    )
    found = shown(roles, root)
    assert "train/cats/0.png" in found and "train/dogs/copy.png" not in found
    roles, facts = decided(root, ("elsewhere.png", both, "drop", ""))
    assert len(shown(roles, root)) == 15 and facts.dropped == {"train": 2}
    with pytest.raises(DataError, match=r"lines 2 and 3 decide differently on train/cats/0\.png"):
        decided(root, ("a.png", both, "drop", ""), ("b.png", both, "keep", ""))


def test_a_split_drawn_here_is_the_same_with_and_without(tmp_path: Path) -> None:
    root = draw_classes(tmp_path / "pets", cats=20, dogs=20)
    before = assign_roles(load_data(root))
    roles, _ = decided(root, *[(f"cats/{n}.png", "", "relabel", "dogs") for n in range(8)])
    assert roles.held_out.ids == before.held_out.ids and roles.train.ids == before.train.ids


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [("train/cats/9.png", "", "drop", ""), ("train/cats/0.png", "", "keep", "")],
            "1 of 2 rows mean no picture",
        ),
        ([("train/cats/0.png", "", "delete", "")], "line 2 decides 'delete'"),
        ([("train/cats/0.png", "", "relabel", "dog")], "'dog', which is no class"),
        ([("train/cats/0.png", "", "relabel", "")], "'', which is no class"),
        (
            [(f"train/cats/{n}.png", "", "drop", "") for n in range(5)],
            "leaves: class 'cats' is in val but not in train",
        ),
        (
            [(f"val/{c}/{n}.png", "", "drop", "") for c in ("cats", "dogs") for n in range(3)],
            "leaves no picture in val",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(root: Path, rows: list[tuple[str, ...]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        decided(root, *rows)


def test_other_files_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its columns are path, label"):
        decided(root, ("a", "b"), header="path,label")
    with pytest.raises(DataError, match=r"nowhere\.csv: no decisions can be read"):
        read_decisions(tmp_path / "nowhere.csv")


def test_as_a_spreadsheet_saves_it(root: Path) -> None:
    file = root.parent / "decisions.csv"
    file.write_bytes("\ufeffpath;sha256;decision;label\r\ntrain/cats/0.png;;Relabel;dogs\r\n".encode())
    roles, _ = decide(assign_roles(load_data(root)), read_decisions(file), file, root)
    assert shown(roles, root)["train/cats/0.png"] == "dogs"


def test_several_labels_and_numbers(tmp_path: Path) -> None:
    for name in "abcdef":
        draw(tmp_path / "x" / f"{name}.png", seed=ord(name))
    table = tmp_path / "x" / "table.csv"
    lines = [
        f"{name}.png,{'cat;dog' if name in 'ace' else 'dog'},{'val' if name in 'ef' else 'train'}"
        for name in "abcdef"
    ]
    table.write_text("\n".join(["path,labels,split", *lines]))
    file = tmp_path / "decisions.csv"
    file.write_text("path,decision,label\na.png,relabel,cat\nb.png,relabel, dog ; cat\nc.png,relabel,\n")
    data = load_data(table)
    roles, _ = decide(assign_roles(data), read_decisions(file), file, table)
    assert [data.words(t) for t in roles.train.targets] == ["cat", "cat, dog", "", "dog"]
    table.write_text("\n".join(["path,value", *[f"{name}.png,{n}.5" for n, name in enumerate("abcdef")]]))
    data = load_data(table)
    file.write_text("path,decision,label\na.png,relabel,7.25\n")
    roles, _ = decide(assign_roles(data), read_decisions(file), file, table)
    assert 7.25 in roles.as_data().targets and 0.5 not in roles.as_data().targets
    file.write_text("path,decision,label\na.png,relabel,nan\n")
    with pytest.raises(DataError, match="'nan', which is no number"):
        decide(assign_roles(data), read_decisions(file), file, table)
