"""However a picture gets into its row, it is what `decode` and `Preprocess` make of it."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import encoded, noise, smooth
from PIL import Image

from lensmith.data import decoding, identity
from lensmith.data.dataset import Example, ImageDataset
from lensmith.data.sources import load_data
from lensmith.errors import PictureError
from lensmith.machine import forked
from lensmith.pictures.decode import decode
from lensmith.pictures.preprocess import Preprocess
from lensmith.store import filling
from lensmith.store.filling import fill
from lensmith.store.room import DiskRoom, MemoryRoom, Room

pytestmark = pytest.mark.usefixtures("cache")

TURNED = Image.Exif()
TURNED[0x0112] = 6
FILES = {
    "plain.png": encoded(noise()),
    "grey.png": encoded(smooth()[:, :, 0]),
    "plain.jpg": encoded(smooth(), "JPEG"),
    "progressive.jpg": encoded(smooth(90, 70), "JPEG", progressive=True),
    "turned.jpg": encoded(smooth(32, 24), "JPEG", exif=TURNED),
    "turned.png": encoded(noise(32, 24), exif=TURNED),
    "palette.png": encoded(Image.fromarray(noise()).quantize(16)),
    "clear.png": encoded(noise(channels=4)),
    "deep.png": encoded(noise(channels=1).astype(np.uint16) * 257),
    "cmyk.jpg": encoded(Image.fromarray(smooth(60, 50)).convert("CMYK"), "JPEG"),
    "tall.png": encoded(noise(200, 9)),
    "wide.webp": encoded(smooth(9, 200), "WEBP"),
    "tiny.png": encoded(noise(4, 4)),
    "empty.png": b"",
    "cut.png": encoded(noise())[:300],
    "cut.jpg": encoded(smooth(), "JPEG")[:-40],
    "thin.png": encoded(noise(3, 40)),
    "page.png": b"<html></html>",
}
WAYS = [
    Preprocess((24, 32)),
    Preprocess(32),
    Preprocess((24, 32), resize=24),
    Preprocess(20, resize=23),
    Preprocess((40, 30), "pad", fill=(1, 2, 3)),
    Preprocess((24, 32), "squish", interpolation="lanczos"),
    Preprocess((33, 17), interpolation="bicubic"),
    Preprocess((50, 20), interpolation="nearest"),
]


@pytest.fixture
def data(tmp_path: Path) -> ImageDataset:
    """All of them, some plain ones between them again and again, and one that is gone."""
    examples = []
    for number, (name, content) in enumerate(FILES.items()):
        (tmp_path / name).write_bytes(content)
        examples.append(Example(tmp_path / name, 0))
        for more in range(number % 3):
            (tmp_path / f"{more} {name}.png").write_bytes(encoded(noise(seed=100 * number + more)))
            examples.append(Example(tmp_path / f"{more} {name}.png", 0))
    return ImageDataset([*examples, Example(tmp_path / "gone.png", 0)], ["all"])


@pytest.fixture(params=["memory", "disk", "processes"])
def room_of(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Where it is filled, and by whom. The first file is plain, and stands for all."""
    monkeypatch.setattr(decoding, "_SAMPLES", 1)
    if request.param == "memory":
        return MemoryRoom
    if request.param == "processes":
        if sys.platform != "linux":
            pytest.skip("processes are forked on Linux alone")
        monkeypatch.setattr(filling, "FEWEST", 1)
        monkeypatch.setattr(filling, "_CHUNK", 3)
        monkeypatch.setattr(forked, "cores", lambda: 2)
    return lambda shape: DiskRoom(tmp_path / "pixels.bin", shape)


def filled(data: ImageDataset, preprocess: Preprocess, room: Room) -> tuple[np.ndarray, dict[int, str]]:
    reasons: dict[int, str] = {}
    told = [(event.done, event.total) for event in fill(room, data, preprocess, reasons)]
    assert told == sorted(told)
    assert all(0 <= done < total == len(data) for done, total in told)
    kept = np.array([row for row in range(len(data)) if row not in reasons])
    room.keep(kept)
    pixels = room.pixels()
    if isinstance(room, DiskRoom):
        room.close()
    assert len(pixels) == len(kept)
    return pixels, reasons


@pytest.mark.parametrize("preprocess", WAYS, ids=str)
def test_every_row_is_what_decode_and_preprocess_make(
    preprocess: Preprocess, data: ImageDataset, room_of: object
) -> None:
    pixels, reasons = filled(data, preprocess, room_of((len(data), *preprocess.size, 3)))
    left = iter(pixels)
    for row, example in enumerate(data.examples):
        try:
            wanted = preprocess(decode(Path(str(example.source))))
        except PictureError as error:
            assert reasons[row] == error.reason
        else:
            assert (next(left) == wanted).all(), example.source
    assert len(reasons) == 6
    known = [Path(str(e.source)) for e in data.examples[:-1]]
    assert [e.sha256 for e in data.examples[:-1]] == [
        hashlib.sha256(f.read_bytes()).hexdigest() for f in known
    ]
    assert data.examples[-1].sha256 == ""


def test_what_children_leave_undone_is_done_all_the_same(
    data: ImageDataset, room_of: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        os._exit(9)

    parent, tell = os.getpid(), identity.Digests.tell
    monkeypatch.setattr(identity.Digests, "tell", lambda *a: tell(*a) if os.getpid() == parent else dies())
    pixels, reasons = filled(data, WAYS[0], room_of((len(data), 24, 32, 3)))
    kept = [Path(str(e.source)) for row, e in enumerate(data.examples) if row not in reasons]
    assert all((pixels[at] == WAYS[0](decode(file))).all() for at, file in enumerate(kept))


def test_plain_files_are_left_to_the_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        pytest.fail("read by the parent")

    if sys.platform != "linux":
        pytest.skip("processes are forked on Linux alone")
    monkeypatch.setattr(filling, "FEWEST", 1)
    monkeypatch.setattr(forked, "cores", lambda: 2)
    contents = [encoded(noise(200, 70, seed), "JPEG" if seed % 2 else "PNG") for seed in range(40)]
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.png").write_bytes(content)
    files = ImageDataset([Example(tmp_path / f"{number}.png", 0) for number in range(40)], ["all"])
    monkeypatch.setattr(decoding.Decoder, "block", never)
    pixels, _ = filled(files, Preprocess((200, 70)), DiskRoom(tmp_path / "pixels.bin", (40, 200, 70, 3)))
    assert all((pixels[row] == decode(content)).all() for row, content in enumerate(contents))
    monkeypatch.undo()
    large = encoded(noise(200, 200))
    assert len(large) > 1 << 16, "more than one call reads"
    (tmp_path / "0.png").write_bytes(large)
    one = files.with_examples(files.examples[:1])
    pixels, _ = filled(one, Preprocess(200), DiskRoom(tmp_path / "pixels.bin", (1, 200, 200, 3)))
    assert (pixels[0] == decode(large)).all()


def test_processes_are_for_many_plain_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of others would be read twice, and somebody's own data set may not like to be forked."""

    def never(*_: object) -> None:
        pytest.fail("forked")

    monkeypatch.setattr(filling, "in_processes", never)
    monkeypatch.setattr(forked, "cores", lambda: 2)
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(encoded(noise(24, 25)))
    files = ImageDataset([Example(tmp_path / f"{number}.png", 0) for number in range(20)], ["all"])
    digits = load_data("digits").with_examples(load_data("digits").examples[:20])
    filled(files, Preprocess((24, 25)), DiskRoom(tmp_path / "few", (20, 24, 25, 3)))
    monkeypatch.setattr(filling, "FEWEST", 1)
    monkeypatch.setattr(filling, "can_fork", lambda: True)
    filled(files, Preprocess(24), DiskRoom(tmp_path / "others", (20, 24, 24, 3)))
    filled(files, Preprocess((24, 25)), MemoryRoom((20, 24, 25, 3)))
    filled(digits, Preprocess(32), DiskRoom(tmp_path / "own", (20, 32, 32, 3)))


def test_pictures_of_an_own_data_set_are_identified_too() -> None:
    digits = load_data("digits")
    part = digits.with_examples(digits.examples[:5])
    filled(part, Preprocess(32), MemoryRoom((5, 32, 32, 3)))
    assert [e.sha256 for e in part.examples] == load_data("digits").with_examples(digits.examples[:5]).ids
    pixels = part.pixels(3)
    known = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    assert part.ids[3] == known
