"""Planted slips are found, counted, and explained; where nothing can be told, nothing is."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lensmith.audit.suspects import find_suspects
from lensmith.data.dataset import Example, ImageDataset, Target
from lensmith.features.backbone import Looked
from lensmith.types import Task

NAMES = ["ant", "bee", "cat"]


def seen(
    targets: list[Target], apart: float = 3.0, task: Task = "classification"
) -> tuple[ImageDataset, Looked]:
    """Data of these targets, and features in which each class or label or number has a direction of its own."""
    draw = np.random.default_rng(0)
    features = draw.normal(0, 1, (len(targets), 24)).astype(np.float32)
    for row, target in enumerate(targets):
        if task == "regression":
            features[row, 0] = target
        else:
            features[row, list(target) if isinstance(target, tuple) else target] += apart
    examples = [
        Example(Path(f"{row}.png"), target, sha256=f"{row:064x}") for row, target in enumerate(targets)
    ]
    data = ImageDataset(examples, [] if task == "regression" else NAMES, task=task)
    return data, Looked(features, np.arange(len(targets)), ())


def changed(data: ImageDataset, targets: dict[int, Target]) -> ImageDataset:
    return data.with_examples(
        [replace(e, target=targets.get(row, e.target)) for row, e in enumerate(data.examples)]
    )


def test_flipped_labels_come_first_with_what_they_should_be() -> None:
    data, looked = seen([row % 3 for row in range(240)], apart=5.0)
    slips = {row: (row + 1) % 3 for row in range(0, 240, 20)}
    found = find_suspects(changed(data, slips), looked)
    first = found.listed[: len(slips)]
    assert len({suspect.row for suspect in first} & set(slips)) >= len(slips) - 1
    for suspect in first:
        if suspect.row in slips:
            assert (suspect.label, suspect.suggestion) == (NAMES[slips[suspect.row]], NAMES[suspect.row % 3])
            assert f"the model says {suspect.suggestion} (" in suspect.why
    assert found.wrong.low is not None and found.wrong.high is not None
    assert found.wrong.low <= len(slips) <= found.wrong.high
    assert len(found.listed) <= 2 * found.wrong.high
    assert f"{len(found.listed)} of 240 labels are worth a look; about " in found.verdict()
    assert find_suspects(changed(data, slips), looked) == found, "the same again"


def test_of_right_labels_few_are_doubted() -> None:
    data, looked = seen([row % 3 for row in range(240)])
    found = find_suspects(data, looked)
    assert found.wrong.value == 0 and found.wrong.low == 0 and len(found.listed) <= found.wrong.high + 1
    assert found.agreement.value > 0.95


def test_equal_pictures_do_not_vouch_for_each_other() -> None:
    """Two copies with the same wrong label: each would be right by the other's."""
    data, looked = seen([row % 3 for row in range(120)])
    copies = [replace(data.examples[0], target=1), *[replace(data.examples[0], target=1) for _ in range(5)]]
    data = data.with_examples([*copies, *data.examples[1:]])
    features = np.concatenate([np.repeat(looked.features[:1], 6, 0), looked.features[1:]])
    found = find_suspects(data, Looked(features, np.arange(len(data)), ()))
    assert {0, 1, 2, 3, 4, 5} <= {suspect.row for suspect in found.listed}


def test_classes_of_a_few_pictures_are_not_judged_and_that_is_said() -> None:
    data, looked = seen([row % 2 for row in range(100)] + [2] * 3)
    found = find_suspects(data, looked)
    assert found.count == 100 and all(suspect.row < 100 for suspect in found.listed)
    assert "not judged, with fewer than 5 pictures: cat" in found.verdict()


@pytest.mark.parametrize("count", [30, 120])
def test_where_nothing_can_be_told_nothing_is(count: int) -> None:
    data, looked = seen([row % 3 for row in range(count)], apart=0.0)
    found = find_suspects(data, looked)
    assert found.listed == () and math.isnan(found.wrong.value) and found.wrong.low is None
    assert ("fewer than 40" if count == 30 else "no better than by always naming") in found.verdict()


def test_rows_are_those_of_the_data_where_some_could_not_be_read() -> None:
    data, looked = seen([row % 3 for row in range(240)])
    slips: dict[int, Target] = dict.fromkeys((101, 200, 230), 0)
    rows = np.setdiff1d(np.arange(240), [0, 50, 100, 150])
    found = find_suspects(changed(data, slips), Looked(looked.features[rows], rows, ()))
    assert {101, 200, 230} <= {suspect.row for suspect in found.listed}
    assert all(suspect.file == f"{suspect.row}.png" for suspect in found.listed)


def test_several_labels_are_judged_one_by_one() -> None:
    every: list[Target] = [(), (0,), (1,), (0, 1), (0, 2), (1, 2)]
    data, looked = seen([every[row % 6] for row in range(240)], 6.0, "multilabel")
    found = find_suspects(changed(data, {3: (0,), 60: (2,)}), looked)
    first = {suspect.row: suspect for suspect in found.listed}
    assert (first[3].label, first[3].suggestion) == ("ant", "ant;bee")
    assert (first[60].label, first[60].suggestion) == ("cat", "")
    assert "the model sees bee (" in first[3].why and "the model does not see cat (" in first[60].why
    assert found.wrong.why and len(found.listed) < 10


def test_numbers_far_from_what_the_pictures_say() -> None:
    data, looked = seen([float(row % 17) for row in range(200)], task="regression")
    found = find_suspects(changed(data, {7: 160.0}), looked)
    assert found.listed[0].row == 7 and found.listed[0].label == "160"
    assert abs(float(found.listed[0].suggestion) - 7) < 3
    assert found.as_dict()["wrong"]["value"] is None
