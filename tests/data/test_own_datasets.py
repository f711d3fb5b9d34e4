"""Somebody's own `Dataset`, as PyTorch tutorials write it, taken as it is."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import draw, draw_classes, encoded, noise
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset
from torchvision.datasets import ImageFolder

from lensmith.data.dataset import ImageDataset
from lensmith.data.sources import load_data
from lensmith.data.splitting import assign_roles
from lensmith.errors import DataError, PictureError, UsageError
from lensmith.pictures.preprocess import Preprocess
from lensmith.store.store import Column, open_column


class MyData(Dataset[Any]):
    """As the tutorial has it: the folder's name is the label, Pillow opens the picture."""

    def __init__(self, root: Path, label: str) -> None:
        self.folder, self.label = root / label, label
        self.names = sorted(path.name for path in self.folder.iterdir())

    def __getitem__(self, index: int) -> tuple[Image.Image, str]:
        return Image.open(self.folder / self.names[index]), self.label

    def __len__(self) -> int:
        return len(self.names)


class Rows:
    """A data set by its rows."""

    def __init__(self, rows: list[Any], **more: Any) -> None:
        self.rows = rows
        vars(self).update(more)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]


def labelled(*labels: Any, **more: Any) -> Rows:
    return Rows([(Image.fromarray(noise(seed=i)), label) for i, label in enumerate(labels)], **more)


def column_of(data: ImageDataset, side: int = 16) -> Column:
    going = open_column(data, Preprocess(side))
    while True:
        try:
            next(going)
        except StopIteration as done:
            column: Column = done.value
            return column


def test_the_tutorials_data_joined_by_plus(tmp_path: Path) -> None:
    for number in range(7):
        draw(tmp_path / "bees" / f"{number}.png", number, size=(20 + number, 50))
        draw(tmp_path / "ants" / f"{number}.jpg", 50 + number, size=(60, 30 + number))
    both = MyData(tmp_path, "bees") + MyData(tmp_path, "ants")
    assert isinstance(both, ConcatDataset)
    data = load_data(both)
    assert data.classes == ["ants", "bees"]
    assert [data.words(target) for target in data.targets] == ["bees"] * 7 + ["ants"] * 7
    folder = load_data(tmp_path)
    for index in range(7):
        assert (data.pixels(index) == folder.pixels(7 + index)).all()
    column = column_of(data)
    assert column.pixels.shape == (14, 16, 16, 3)
    roles = assign_roles(data)
    assert roles.train.counts() == {"ants": 6, "bees": 6}
    assert roles.held_out.counts() == {"ants": 1, "bees": 1}


@pytest.mark.parametrize(
    "targets",
    [
        [1, 0, 2],
        (1, 0, 2),
        np.array([1, 0, 2]),
        np.array([1, 0, 2], np.uint8),
        torch.tensor([1, 0, 2]),
        torch.tensor([[1], [0], [2]]),
    ],
)
def test_indices_in_every_form(targets: Any) -> None:
    classes = ["ant", "bee", "cat"]
    for owner in (labelled(*targets), labelled(*targets, targets=targets)):
        assert load_data(owner).targets == [1, 0, 2]
        assert load_data(owner).classes == ["0", "1", "2"]
    named = load_data(labelled(*targets, classes=classes))
    assert (named.targets, named.classes) == ([1, 0, 2], classes)
    assert all(type(target) is int for target in named.targets)


@pytest.mark.parametrize(
    "words", [["bee", "ant", "bee"], np.array(["bee", "ant", "bee"]), ("bee", "ant", "bee")]
)
def test_names_in_every_form(words: Any) -> None:
    data = load_data(labelled(*words))
    assert (data.targets, data.classes) == ([1, 0, 1], ["ant", "bee"])
    assert all(type(name) is str for name in data.classes)


@pytest.mark.parametrize(
    "target", [-1, None, float("nan"), float("inf"), [-1], [0.5], [[1]], torch.tensor([0.3, 0.7]), Image]
)
def test_other_targets_are_refused_with_their_place(target: Any) -> None:
    with pytest.raises(DataError) as caught:
        load_data(labelled(0, 1, target))
    assert "Rows[2] has target " in caught.value.message
    assert "Targets" in caught.value.hint


def test_numbers_make_a_regression() -> None:
    for targets in ([1.5, -2, 3], torch.tensor([[1.5], [-2.0], [3.0]]), np.array([1.5, -2, 3], np.float32)):
        data = load_data(labelled(*targets))
        assert (data.task, data.targets, data.classes) == ("regression", [1.5, -2.0, 3.0], [])
    assert load_data(labelled(1, -2, 3), task="regression").targets == [1.0, -2.0, 3.0]
    assert load_data(labelled(1.0, 0.0), task="classification").targets == [1, 0]
    with pytest.raises(DataError, match=r"Rows\[1\] has target 0.5"):
        load_data(labelled(1.0, 0.5), task="classification")
    with pytest.raises(DataError, match="'ant', and the task is regression"):
        load_data(labelled(1.5, "ant"))


@pytest.mark.parametrize(
    ("targets", "wanted", "classes"),
    [
        ([["sea"], [], ("day", "sea")], [(1,), (), (0, 1)], ["day", "sea"]),
        ([[0, 1], [2], []], [(0, 1), (2,), ()], ["0", "1", "2"]),
        ([[0, 1], [2, 3], [1, 1]], [(0, 1), (2, 3), (1,)], ["0", "1", "2", "3"]),
        ([[0, 1, 0], [1, 1, 0], [0, 0, 0]], [(1,), (0, 1), ()], ["0", "1", "2"]),
        (torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]), [(1,), (), (0, 1)], ["0", "1"]),
        (np.array([[True, False], [False, False], [True, True]]), [(0,), (), (0, 1)], ["0", "1"]),
    ],
)
def test_several_labels_a_picture(targets: Any, wanted: list[tuple[int, ...]], classes: list[str]) -> None:
    """Lists of two indices are not rows of zeros and ones, whatever the first of them looks like."""
    data = load_data(labelled(*targets))
    assert (data.task, data.targets, data.classes) == ("multilabel", wanted, classes)


def test_what_is_no_data_set_is_refused() -> None:
    for thing in (5, None, iter([]), print):
        with pytest.raises(UsageError, match="is no data set"):
            load_data(thing)
    with pytest.raises(DataError, match="empty"):
        load_data(Rows([]))
    with pytest.raises(DataError, match=r"Rows\[0\] is not \(picture, target\) but ndarray"):
        load_data(Rows([noise()]))
    with pytest.raises(DataError, match=r"Rows\[0\] is not \(picture, target\)"):
        load_data(Rows([(noise(), 1, "extra")]))
    with pytest.raises(DataError, match="mixes names and indices"):
        load_data(labelled("ant", 1))


@pytest.mark.parametrize("held", ["pillow", "array", "float", "tensor", "path", "bytes"])
def test_pictures_in_every_form(held: str, tmp_path: Path) -> None:
    pixels = noise()
    forms = {
        "pillow": Image.fromarray(pixels),
        "array": pixels,
        "float": (pixels / 255).astype(np.float32),
        "tensor": torch.from_numpy(pixels).permute(2, 0, 1),
        "path": str(draw(tmp_path / "a.png")),
        "bytes": encoded(pixels),
    }
    data = load_data(Rows([(forms[held], 0), (forms[held], 1)]))
    assert (data.pixels(0) == pixels).all()
    assert data[1][0].size == (32, 24)


def test_a_tensor_dataset_and_an_image_folder(tmp_path: Path) -> None:
    tensors = torch.arange(2 * 3 * 8 * 8, dtype=torch.uint8).reshape(2, 3, 8, 8)
    data = load_data(TensorDataset(tensors, torch.tensor([1, 0])))
    assert data.targets == [1, 0]
    assert (data.pixels(1) == tensors[1].permute(1, 2, 0).numpy()).all()
    draw_classes(tmp_path, ants=2, bees=3)
    theirs, ours = load_data(ImageFolder(str(tmp_path))), load_data(tmp_path)
    assert (theirs.classes, theirs.targets) == (ours.classes, ours.targets)
    assert all((theirs.pixels(i) == ours.pixels(i)).all() for i in range(5))


def test_joined_sets_go_by_class_name_and_not_by_index(tmp_path: Path) -> None:
    """Each of these sets calls its own first class 0."""
    roots = [draw_classes(tmp_path / n, **{n: 2}) for n in ("bees", "ants", "cats")]
    for sets in ([ImageFolder(str(root)) for root in roots], [load_data(root) for root in roots]):
        nested = ConcatDataset([ConcatDataset(sets[:2]), sets[2]])
        data = load_data(nested)
        assert len(data) == 6
        assert [data.words(target) for target in data.targets] == ["bees"] * 2 + ["ants"] * 2 + ["cats"] * 2
    assert data.skipped == ()


def test_a_part_of_a_set_keeps_the_names(tmp_path: Path) -> None:
    owner = ImageFolder(str(draw_classes(tmp_path, ants=2, bees=3)))
    data = load_data(Subset(Subset(owner, [4, 1, 2]), [0, 1]))
    assert data.classes == ["ants", "bees"]
    assert [data.words(target) for target in data.targets] == ["bees", "ants"]


def test_a_part_of_ours_in_torchs_hands() -> None:
    """One data set inside another asks its owner while it is asked itself."""
    inner = load_data(labelled("ant", "bee", "ant"))
    data = load_data(Subset(inner, [2, 1]))
    done: list[bool] = []
    worker = threading.Thread(
        target=lambda: done.append(bool((data.pixels(0) == inner.pixels(2)).all())), daemon=True
    )
    worker.start()
    worker.join(10)
    assert done == [True]


def test_targets_that_are_transformed_on_the_way_out(tmp_path: Path) -> None:
    """`.targets` may say something else than `owner[i]`, and it is `owner[i]` that trains."""
    root = draw_classes(tmp_path, a=1, b=1, c=1, d=1)
    assert load_data(ImageFolder(str(root), target_transform=lambda t: t % 2)).targets == [0, 1, 0, 1]
    assert load_data(labelled(0, 1, 0, 1, targets=[0, 1, 2, 3])).targets == [0, 1, 0, 1]


def test_listed_targets_spare_reading_every_picture() -> None:
    class Counting(Rows):
        asked = 0

        def __getitem__(self, index: int) -> Any:
            self.asked += 1
            return super().__getitem__(index)

    owner = Counting(labelled(*[0, 1] * 50).rows, targets=[0, 1] * 50)
    assert load_data(owner).targets == [0, 1] * 50
    assert owner.asked <= 3


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the tutorial's way leaves a damaged file open
def test_a_picture_that_its_owner_cannot_read_is_skipped_with_its_reason(tmp_path: Path) -> None:
    draw_classes(tmp_path, ants=4, bees=4)
    (tmp_path / "ants" / "1.png").write_bytes(encoded(noise())[:200])
    (tmp_path / "bees" / "2.png").write_text("<html>")
    good = load_data(tmp_path)

    class Reads(MyData):
        targets = ()

        def __getitem__(self, index: int) -> tuple[Any, str]:
            with Image.open(self.folder / self.names[index]) as image:
                return image.convert("RGB"), self.label

    lazy = load_data(MyData(tmp_path, "ants"))
    assert [s.reason[:7] for s in column_of(lazy).skipped] == ["damaged"]
    assert len(set(lazy.ids)) == 4
    eager = Reads(tmp_path, "ants")
    eager.targets = [eager.label] * 4
    column = column_of(load_data(eager))
    assert column.rows.tolist() == [0, 2, 3]
    assert "cannot be read" in column.skipped[0].reason
    assert column.skipped[0].file == "Reads[1]"
    assert (column.pixels[1] == Preprocess(16)(good.pixels(2))).all()
    with pytest.raises(PictureError, match=r"Reads\[1\]"):
        load_data(eager).pixels(1)
    with pytest.raises(DataError, match=r"Reads\[2\] cannot be read") as caught:
        load_data(Reads(tmp_path, "bees"))
    assert "2.png" in caught.value.message


def test_a_fault_in_somebodys_code_stays_theirs() -> None:
    class Broken(Rows):
        def __getitem__(self, index: int) -> Any:
            raise ZeroDivisionError("theirs")

    with pytest.raises(ZeroDivisionError, match="theirs"):
        load_data(Broken([0, 1]))


def test_an_owner_that_shares_one_handle_is_asked_one_at_a_time() -> None:
    """Two threads that seek in one file would take each other's bytes: pictures and labels would part."""
    sizes, pictures = [], [noise(20, 20, seed) for seed in range(600)]
    archive = io.BytesIO()
    for picture in pictures:
        sizes.append((archive.tell(), archive.write(encoded(picture))))

    class Archive:
        classes = ("a", "b")
        targets = tuple(i % 2 for i in range(600))

        def __len__(self) -> int:
            return 600

        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            start, length = sizes[index]
            archive.seek(start)
            time.sleep(0.0002)
            return Image.open(io.BytesIO(archive.read(length))), index % 2

    column = column_of(load_data(Archive()), side=20)
    assert column.skipped == ()
    assert (column.pixels == np.stack(pictures)).all()


def test_a_loader_is_told_from_what_it_loads() -> None:
    loader = torch.utils.data.DataLoader([(0, 1)])
    with pytest.raises(UsageError, match="a DataLoader gives batches") as caught:
        load_data(loader)
    assert "loader.dataset" in caught.value.hint and "lensmith.fit" in caught.value.hint
