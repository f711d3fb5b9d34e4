"""Some of the pictures, each class in its share."""

from __future__ import annotations

from lensmith.data.dataset import Target
from lensmith.data.stratified import stratified_rows


def test_each_class_keeps_its_share() -> None:
    targets: list[Target] = [0, 1] * 50 + [0] * 300
    rows = stratified_rows(targets, 40, seed=3)
    assert rows.tolist() == sorted(set(rows.tolist())) and len(rows) == 40
    assert sum(targets[row] == 1 for row in rows) == 5
    assert stratified_rows(targets, 40, seed=3).tolist() == rows.tolist()
    assert stratified_rows(targets, 40, seed=4).tolist() != rows.tolist()


def test_labels_and_numbers_are_drawn_evenly() -> None:
    numbers: list[Target] = [float(number) for number in range(1000)]
    rows = stratified_rows(numbers, 10).tolist()
    assert [int(row // 100) for row in rows] == list(range(10))
    labels: list[Target] = [(), (0,), (0, 1), (1,)] * 25
    assert len(stratified_rows(labels, 8)) == 8


def test_few_are_all_taken() -> None:
    assert stratified_rows([0, 1, 0], 3).tolist() == [0, 1, 2]
    assert stratified_rows([], 3).tolist() == []
