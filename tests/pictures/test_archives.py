"""Pictures in archives: each kind, and what a careless or hostile one may hold."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lensmith.errors import PictureError
from lensmith.pictures.archives import archived
from lensmith.pictures.asked import is_archive

JPEG = b"\xff\xd8\xff"
FILES = {f"{folder}/{n}.jpg": JPEG + random.Random(n).randbytes(700 * n) for folder in "ab" for n in range(5)}


def wanted(name: str) -> bool:
    return name.endswith(".jpg")


def read(file: Path) -> dict[str, bytes | str]:
    """What each member is called in the archive, and its bytes or why it cannot be read."""
    found: dict[str, bytes | str] = {}
    for asked in archived(file, wanted):
        name = asked.name.removeprefix(str(file)).removeprefix("!")
        assert name not in found
        try:
            found[name] = asked.content()
        except PictureError as error:
            assert str(file) in error.message
            found[name] = error.reason
    return found


def zipped(place: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(place, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return place


def tarred(place: Path, files: dict[str, bytes], *more: tarfile.TarInfo, mode: str = "w") -> Path:
    with tarfile.open(place, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member)
    return place


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip(method: int, tmp_path: Path) -> None:
    assert read(zipped(tmp_path / "p.ZIP", FILES | {"notes.txt": b"no"}, method)) == FILES


@pytest.mark.parametrize(
    ("suffix", "mode"), [("tar", ""), ("tar.gz", "gz"), ("tgz", "gz"), ("tar.xz", "xz"), ("tbz2", "bz2")]
)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar(suffix: str, mode: str, form: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarfile.TarFile, "format", form)
    files = {f"{'folder/' * 30}{name} é": content for name, content in FILES.items()}
    files = {f"{name}.jpg": content for name, content in files.items()} | {"notes.txt": b"no" * 9999}
    assert is_archive(Path(f"p.{suffix}"))
    found = read(tarred(tmp_path / f"p.{suffix}", files, mode=f"w:{mode}"))
    assert found == {name: content for name, content in files.items() if name != "notes.txt"}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_parts_compressed_one_by_one_are_one_tar(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    plain = tarred(tmp_path / "plain.tar", FILES).read_bytes()
    parts = tmp_path / "parts.tar.gz"
    parts.write_bytes(pack(plain[:5000]) + pack(plain[5000:]))
    assert read(parts) == FILES


def archive(place: Path) -> bytes:
    """The files in an archive of the kind that its name says."""
    kind = place.suffix.removeprefix(".")
    if kind == "zip":
        zipped(place, FILES)
    else:
        tarred(place, FILES, mode=f"w:{kind if kind != 'tar' else ''}")
    return place.read_bytes()


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.xz"])
def test_what_is_cut_off_says_so_wherever_it_is_cut(suffix: str, tmp_path: Path) -> None:
    content = archive(tmp_path / f"whole.{suffix}")
    cut = tmp_path / f"cut.{suffix}"
    ends = [0, 10, 512, 600, 1024, *range(1500, len(content) - 10_300, 997)]
    for end in ends:
        cut.write_bytes(content[:end])
        found = read(cut)
        assert isinstance(found[""], str), f"cut at {end}"
        good = {name: bytes_ for name, bytes_ in found.items() if isinstance(bytes_, bytes)}
        assert good.items() <= FILES.items(), f"cut at {end}"


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_damage_ends_in_words(suffix: str, tmp_path: Path) -> None:
    content = archive(tmp_path / f"whole.{suffix}")
    chance = random.Random(0)
    damaged = tmp_path / f"damaged.{suffix}"
    for _ in range(60):
        bad = bytearray(content)
        for _ in range(chance.choice([1, 4, 40])):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        damaged.write_bytes(bad)
        found = [(asked.name, asked) for asked in archived(damaged, wanted) if not _content(asked.content)]
        assert len(found) <= len(FILES) + 1


def _content(get: Callable[[], bytes]) -> bytes | None:
    try:
        return get()
    except PictureError:
        return None


def test_names_that_lead_elsewhere_are_only_names(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    files = {
        "../out.jpg": JPEG + b"1",
        "/etc/x.jpg": JPEG + b"2",
        "C:\\x.jpg": JPEG + b"3",
        "a\n\x1b[2Jb.jpg": JPEG,
    }
    assert read(zipped(inside / "p.zip", files)) == files
    assert read(tarred(inside / "p.tar", files)) == files
    assert {path.name for path in tmp_path.rglob("*")} == {"inside", "p.zip", "p.tar"}


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    strange = []
    for name, kind in (("s.jpg", tarfile.SYMTYPE), ("h.jpg", tarfile.LNKTYPE), ("f.jpg", tarfile.FIFOTYPE)):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        strange.append(member)
    found = read(tarred(tmp_path / "p.tar", {"a.jpg": JPEG}, *strange))
    assert found["a.jpg"] == JPEG
    assert "link" in found["s.jpg"] and "link" in found["h.jpg"] and "not an ordinary file" in found["f.jpg"]  # type: ignore[operator]


def test_a_password_is_asked_of_the_user(tmp_path: Path) -> None:
    place = zipped(tmp_path / "p.zip", {"a.jpg": JPEG * 9})
    content = bytearray(place.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\1\2") + 8] |= 1
    place.write_bytes(content)
    assert read(place) == {"a.jpg": "encrypted"}


def test_of_two_members_of_one_name_the_last_is_taken(tmp_path: Path) -> None:
    place = tmp_path / "p.zip"
    with zipfile.ZipFile(place, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.jpg", JPEG + b"old")
        archive.writestr("a.jpg", JPEG + b"new")
    assert read(place) == {"a.jpg": JPEG + b"new"}


def peak(work: Callable[[], object]) -> int:
    """Bytes that Python took for it."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    zeros = bytes(300_000_000)
    found: dict[str, bytes | str] = {}
    in_zip = zipped(tmp_path / "p.zip", {"large.jpg": JPEG + zeros, "text.jpg": zeros[:200_000_000]})
    assert peak(lambda: found.update(read(in_zip))) < 20_000_000
    assert "more than 256 MB" in found["large.jpg"] and found["text.jpg"] == bytes(64)  # type: ignore[operator]
    del zeros

    member = tarfile.TarInfo("vast.jpg")
    member.size = 1 << 40
    in_tar = tmp_path / "p.tar.gz"
    in_tar.write_bytes(gzip.compress(member.tobuf() + bytes(1 << 20)))
    found.clear()
    assert peak(lambda: found.update(read(in_tar))) < 20_000_000
    assert "far more than it holds" in found[""]  # type: ignore[operator]

    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    in_tar.write_bytes(gzip.compress(name.tobuf(tarfile.GNU_FORMAT) + bytes(30 << 20)))
    found.clear()
    assert peak(lambda: found.update(read(in_tar))) < 20_000_000
    assert "header" in found[""]  # type: ignore[operator]


def test_headers_of_headers_end(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2
    place = tmp_path / "p.tar"
    place.write_bytes((header.tobuf(tarfile.GNU_FORMAT) + b"a\0" + bytes(510)) * 3000)
    assert isinstance(read(place)[""], str)


def test_a_long_tar_is_not_kept_in_memory(tmp_path: Path) -> None:
    place = tarred(tmp_path / "p.tar", {f"{n}.jpg": JPEG for n in range(3000)})
    count = 0

    def go() -> None:
        nonlocal count
        for asked in archived(place, wanted):
            count += len(asked.content()) == 3

    assert peak(go) < 600_000
    assert count == 3000


def test_a_folder_of_an_archives_name_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "p.zip").mkdir()
    assert "cannot be read" in str(read(tmp_path / "p.zip")[""])
