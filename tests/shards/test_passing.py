"""Tar files of anybody: what can be used is, what cannot is said with its reason, and nothing is unpacked."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from drawn import encoded, noise
from shards_written import write_tar

from lensmith.data.sources import load_data
from lensmith.errors import DataError

PICTURES = [encoded(noise(24, 24, seed)) for seed in range(4)]
GOOD = [("a.png", PICTURES[0]), ("a.cls", b"0"), ("b.png", PICTURES[1]), ("b.cls", b"1")]


def reasons(folder: Path, used: int = 2) -> dict[str, str]:
    data = load_data(folder)
    assert len(data) == used
    assert [data.pixels(row).shape for row in range(used)] == [(24, 24, 3)] * used
    return {one.file.removeprefix(str(folder) + "/"): one.reason for one in data.skipped}


def header(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def members_of(file: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(file) as archive:
        return archive.getmembers()


def test_links_devices_and_names_that_lead_out_are_skipped(tmp_path: Path) -> None:
    write_tar(
        tmp_path / "s" / "0.tar",
        [
            *GOOD,
            (header("c.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
            (header("d.png", type=tarfile.LNKTYPE, linkname="a.png"), b""),
            (header("e.png", type=tarfile.CHRTYPE), b""),
            ("../f.png", PICTURES[2]),
            ("/g.png", PICTURES[2]),
            (header("h", type=tarfile.DIRTYPE), b""),
        ],
    )
    found = reasons(tmp_path / "s")
    assert found["0.tar!c.png"] == "a link to /etc/passwd, which is not followed in a tar"
    assert found["0.tar!d.png"].startswith("a link to a.png")
    assert found["0.tar!e.png"] == "not an ordinary file in the tar"
    assert found["0.tar!../f.png"] == found["0.tar!/g.png"] == "its name leads out of the tar"
    assert len(found) == 5


def test_sparse_members_are_skipped(tmp_path: Path) -> None:
    sparse = header("c.png", type=tarfile.GNUTYPE_SPARSE, size=512)
    write_tar(tmp_path / "s" / "0.tar", [*GOOD, (sparse, bytes(512))])
    assert reasons(tmp_path / "s") == {"0.tar!c.png": "not an ordinary file in the tar"}


@pytest.mark.parametrize("size", [1 << 40, 1 << 33, 3 << 20])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_states_any_size_takes_no_memory(tmp_path: Path, size: int, kind: bytes) -> None:
    file = write_tar(tmp_path / "s" / "0.tar", GOOD)
    bomb = header("x", type=kind, size=size)
    content = file.read_bytes().rstrip(b"\0")
    content += bytes(-len(content) % 512) + bomb.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)
    file.write_bytes(content)
    tracemalloc.start()
    found = reasons(tmp_path / "s")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert list(found) == ["0.tar"]
    assert peak < 8 << 20


@pytest.mark.parametrize("where", ["in the last picture", "at the end", "in a header"])
def test_of_a_tar_that_is_cut_off_the_whole_pictures_are_used(tmp_path: Path, where: str) -> None:
    file = write_tar(tmp_path / "s" / "0.tar", [*GOOD, ("c.png", PICTURES[2]), ("c.cls", b"1")])
    members = members_of(file)
    cuts = {
        "in the last picture": members[4].offset_data + 100,
        "at the end": members[5].offset_data + 512,
        "in a header": members[4].offset + 100,
    }
    file.write_bytes(file.read_bytes()[: cuts[where]])
    found = reasons(tmp_path / "s", 3 if where == "at the end" else 2)
    assert list(found) == ["0.tar"]


def test_bytes_of_no_tar_end_it_with_the_reason(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "s" / "0.tar", GOOD)
    member = members_of(file)[2]
    content = bytearray(file.read_bytes())
    content[member.offset : member.offset + 512] = b"x" * 512
    file.write_bytes(content)
    data = load_data(tmp_path / "s")
    assert len(data) == 1
    assert [one.reason for one in data.skipped] == [
        "cannot be read any further as a tar (it lacks the end of a tar)"
    ]


def test_compressed_shards_are_skipped(tmp_path: Path) -> None:
    write_tar(tmp_path / "s" / "0.tar", GOOD)
    (tmp_path / "s" / "1.tar.gz").write_bytes(gzip.compress((tmp_path / "s" / "0.tar").read_bytes()))
    (tmp_path / "s" / "2.tar").write_bytes(b"\xfd7zXZ\0" + bytes(600))
    assert reasons(tmp_path / "s") == {
        "1.tar.gz": "compressed (gzip): pictures in it have no place; unpack it first",
        "2.tar": "compressed (xz): pictures in it have no place; unpack it first",
    }


@pytest.mark.parametrize("content", [b"", b"no tar at all, but a text" * 60])
def test_nothing_but_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "0.tar").write_bytes(content)
    with pytest.raises(DataError, match="no picture with a label in 1 shard") as error:
        load_data(tmp_path / "s")
    assert "0.tar" in error.value.hint


def test_all_dialects_are_read(tmp_path: Path) -> None:
    for number, dialect in enumerate((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)):
        long = "ä" * 60 + "/" + "b" * 90 if dialect != tarfile.USTAR_FORMAT else "plain"
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=dialect) as archive:
            for name, content in (
                (f"{long}.png", PICTURES[number]),
                (f"{long}.cls", b"cat" if number else b"dog"),
            ):
                archive.addfile(header(name, size=len(content)), io.BytesIO(content))
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / "s" / f"{number}.tar").write_bytes(made.getvalue())
    assert reasons(tmp_path / "s", 3) == {}
    assert load_data(tmp_path / "s").classes == ["cat", "dog"]
