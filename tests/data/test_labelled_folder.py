"""Pictures put into class folders: whatever the names are, `load_data` reads back the label or it was refused."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pytest
from drawn import encoded, noise

from lensmith.data.labelled_folder import LabelledFolder, why_no_folder
from lensmith.data.sources import load_data
from lensmith.errors import DataError

GOOD = [
    "ant",
    "Ant bee",
    "中文",
    "ß",
    "é",
    "a.b",
    "-x",
    "1",
    "0.5",
    "~",
    "%2e%2e",
    "a;b",
    "$HOME",
    "a" * 200,
    "🐝",
    "'",
]
BAD = [
    "",
    ".",
    "..",
    ".hidden",
    "a/b",
    "a\\b",
    "../up",
    "/etc",
    "C:x",
    "CON",
    "nul.txt",
    "com1",
    "LPT9.x",
    "a\nb",
    "a\0b",
]
BAD += [
    " a",
    "a ",
    "a.",
    "a" * 300,
    "é" * 120,
    "train",
    "VAL",
    "dev",
    "Thumbs.db",
    "__MACOSX",
    "a*",
    'a"',
    "a|b",
    "\udce4",
]


def read_back(root: Path) -> dict[str, str]:
    """sha256 of each picture that `load_data` uses -> its label."""
    data = load_data(root)
    return {e.source.stem: data.classes[int(e.target)] for e in data.examples if isinstance(e.source, Path)}


def test_each_name_is_read_back_or_refused(tmp_path: Path) -> None:
    folder = LabelledFolder(tmp_path / "kept", GOOD + BAD)
    expected = {}
    for number, label in enumerate(GOOD):
        assert why_no_folder(label) == "", label
        expected[folder.put(encoded(noise(8, 8, number)), label).stem] = label
    for label in BAD:
        assert why_no_folder(label), label
        with pytest.raises(DataError, match="cannot be the label"):
            folder.put(encoded(noise(8, 8, 99)), label)
    assert read_back(tmp_path / "kept") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]  # nothing went up and out


def test_bytes_are_kept_as_they_are_with_the_suffix_of_their_format(tmp_path: Path) -> None:
    folder = LabelledFolder(tmp_path, ["ant"])
    for kind, suffix in [
        ("JPEG", ".jpg"),
        ("PNG", ".png"),
        ("WebP", ".webp"),
        ("BMP", ".bmp"),
        ("TIFF", ".tif"),
    ]:
        content = encoded(noise(8, 8, len(suffix)), kind)
        place = folder.put(content, "ant")
        assert place.suffix == suffix and place.read_bytes() == content
        assert folder.find(content) == place
    assert len(load_data(tmp_path)) == 5


def test_a_picture_lies_under_one_label_and_moves_with_a_changed_mind(tmp_path: Path) -> None:
    folder, content = LabelledFolder(tmp_path, ["ant", "bee"]), encoded(noise())
    first = folder.put(content, "ant")
    assert folder.put(content, "ant") == first
    second = folder.put(content, "bee")
    assert second.is_file() and not first.exists()
    # What a crash between writing and removing would leave.
    first.write_bytes(content)
    folder.put(content, "bee")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [second]


def test_what_training_leaves_out_is_refused(tmp_path: Path) -> None:
    folder = LabelledFolder(tmp_path, ["ant"])
    for content in (encoded(noise(), "GIF"), b"", b"words", b"%PDF-1.7"):
        with pytest.raises(DataError, match="nothing that training takes"):
            folder.put(content, "ant")
    with pytest.raises(DataError, match="no such label"):
        folder.put(encoded(noise()), "wasp")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_folder_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "kept"
    root.mkdir()
    (root / "ant").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="leads elsewhere"):
        LabelledFolder(root, ["ant", "bee"]).put(encoded(noise()), "ant")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_two_spellings_of_one_name_stay_two_or_one_is_refused(tmp_path: Path) -> None:
    labels = ["é", unicodedata.normalize("NFD", "é"), "Ant", "ant"]
    folder, expected = LabelledFolder(tmp_path, labels), {}
    for number, label in enumerate(labels):
        try:
            expected[folder.put(encoded(noise(8, 8, number)), label).stem] = label
        except DataError as error:
            assert "another spelling" in str(error)  # a disk that does not tell them apart
    assert read_back(tmp_path) == expected
