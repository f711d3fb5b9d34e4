"""What the words of a command line name."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from lensmith.data.listing import folders_named, pictures_named
from lensmith.errors import PictureError


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`photos/` with pictures at several depths, and much that is none."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.PNG", "a/2.jpg", "a/1.gif", "a/deep/er/x.tiff", "notes.txt", ".hidden.jpg"):
        write(Path("photos") / name)
    for name in (".ipynb_checkpoints/b.jpg", "__MACOSX/b.jpg", "folder.jpg/c.jpg"):
        write(Path("photos") / name)
    return Path("photos")


def write(place: Path, content: bytes = b"picture") -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def names(*words: str) -> list[str]:
    return [asked.name for asked in pictures_named(words)]


def refusals(*words: str) -> list[tuple[str, str]]:
    """What cannot be read among what these words name, and why."""
    found = []
    for asked in pictures_named(words):
        try:
            asked.content()
        except PictureError as error:
            found.append((asked.name, error.reason))
    return found


INSIDE = ["a.PNG", "a/1.gif", "a/2.jpg", "a/deep/er/x.tiff", "b.jpg", "folder.jpg/c.jpg"]


def test_a_folder_in_the_order_of_its_names(photos: Path) -> None:
    expected = sorted((photos / name for name in INSIDE), key=lambda path: path.parts)
    assert names("photos") == names("photos/") == names("./photos") == [str(path) for path in expected]
    assert names("photos/notes.txt", "photos/b.jpg") == ["photos/notes.txt", "photos/b.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_are_pictures_and_never_ways(photos: Path) -> None:
    (photos / "loop").symlink_to(photos.resolve())
    (photos / "itself.jpg").symlink_to("itself.jpg")
    (photos / "gone.jpg").symlink_to("nowhere")
    (photos / "link.jpg").symlink_to("b.jpg")
    os.mkfifo(photos / "pipe.jpg")
    assert len(names("photos")) == len(INSIDE) + 1 and "photos/link.jpg" in names("photos")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/*.jpg", ["b.jpg", "folder.jpg/c.jpg"]),
        ("photos/*", ["a.PNG", "a/1.gif", "a/2.jpg", "a/deep/er/x.tiff", "b.jpg", "folder.jpg/c.jpg"]),
        ("photos/**/*.jpg", ["a/2.jpg", "b.jpg", "folder.jpg/c.jpg"]),
        ("photos/**/*", INSIDE),
        ("photos/[ab].*", ["a.PNG", "b.jpg"]),
        ("photos/a/?.gif", ["a/1.gif"]),
    ],
)
def test_a_pattern_that_no_shell_expanded(pattern: str, expected: list[str], photos: Path) -> None:
    found = names(pattern)
    assert set(found) >= {str(photos / name) for name in expected}
    if pattern != "photos/**/*.jpg":  # there the folder of that name is a match too
        assert sorted(found) == sorted(str(photos / name) for name in expected)


def test_a_name_that_looks_like_a_pattern(photos: Path) -> None:
    write(photos / "a[1].jpg")
    assert names("photos/a[1].jpg") == ["photos/a[1].jpg"]
    ((name, reason),) = refusals("photos/*.bmp")
    assert name == "photos/*.bmp" and "no picture matches" in reason


def test_a_table_names_paths_from_its_own_folder(photos: Path) -> None:
    rows = "id;Image\n1;b.jpg\n2; a/2.jpg \n3;\n4;../gone.jpg\n"
    write(photos / "list.csv", b"\xef\xbb\xbf" + rows.encode())
    assert names("photos/list.csv") == [
        "photos/b.jpg",
        "photos/a/2.jpg",
        "photos/list.csv:4",
        "photos/../gone.jpg",
    ]
    assert [name for name, _ in refusals("photos/list.csv")] == ["photos/list.csv:4", "photos/../gone.jpg"]
    write(
        photos / "list.tsv",
        f"url\tsize\nhttp://127.0.0.1:9/x.jpg\t1\n{Path('photos/b.jpg').resolve()}\t1\n".encode(),
    )
    ((name, reason),) = refusals("photos/list.tsv")
    assert name == "http://127.0.0.1:9/x.jpg" and "not on the open internet" in reason


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX devices")
def test_a_table_does_not_lead_to_devices(photos: Path) -> None:
    os.mkfifo(photos / "pipe")
    write(photos / "list.csv", b"path\n/dev/zero\npipe\na\n")
    assert [reason for _, reason in refusals("photos/list.csv")] == ["not an ordinary file"] * 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no rows"),
        (b"path\n", "no rows"),
        (b"name,size\na,1\n", "no column called path"),
        (b"path\n\xff\xfe\n", "UTF-8"),
    ],
)
def test_a_table_that_is_none_is_answered_with_the_reason(content: bytes, words: str, photos: Path) -> None:
    write(photos / "list.csv", content)
    ((name, reason),) = refusals("photos/list.csv")
    hint = next(iter(pictures_named(["photos/list.csv"])))
    assert name == "photos/list.csv" and not reason.startswith("photos")
    with pytest.raises(PictureError) as caught:
        hint.content()
    assert words in str(caught.value)


def test_what_the_system_adds_to_archives_is_left_out(photos: Path) -> None:
    with zipfile.ZipFile("p.zip", "w") as archive:
        for name in (
            "a/1.jpg",
            "__MACOSX/a/._1.jpg",
            "a/.DS_Store",
            "a/notes.txt",
            "b\\2.jpg",
            "../3.jpg",
            "inner.zip",
        ):
            archive.writestr(name, b"picture")
        archive.mkdir("folder.jpg")
    assert names("p.zip") == ["p.zip!a/1.jpg", "p.zip!b\\2.jpg", "p.zip!../3.jpg"]


def test_one_picture_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"picture")))
    (asked,) = pictures_named(["-"])
    assert asked.name == "-" and asked.content() == b"picture"


def test_folders_among_the_words(photos: Path) -> None:
    assert folders_named(["photos", "p*", "photos/b.jpg", "http://a/photos", "-", "gone"]) == [photos, photos]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="rights that bind")
def test_a_folder_that_is_closed(photos: Path) -> None:
    (photos / "a").chmod(0)
    try:
        assert ("photos/a", "cannot be opened (Permission denied)") in refusals("photos")
    finally:
        (photos / "a").chmod(0o700)
