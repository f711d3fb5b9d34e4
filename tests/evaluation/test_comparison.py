"""Two models on the same pictures: which is better, by how much, and when that is luck."""

from __future__ import annotations

import numpy as np
import pytest

from lensmith.errors import DataError, UsageError
from lensmith.evaluation.comparison import Measured, compare
from lensmith.evaluation.paired import holm, mcnemar, paired_difference, paired_means
from lensmith.runs.predictions import Predictions

CLASSES = ["ant", "bee"]


def measured(name: str, right: list[bool], classes: list[str] | None = None, first: int = 0) -> Measured:
    """A model that is right on these pictures, all of which show a bee."""
    names = classes or CLASSES
    bee = names.index("bee")
    logits = np.zeros((len(right), len(names)), np.float32)
    logits[:, bee] = np.where(right, 1.0, -1.0)
    ids = np.array([f"{number:064d}" for number in range(first, first + len(right))])
    files = np.array([f"bee/{number}.jpg" for number in range(first, first + len(right))])
    predictions = Predictions(ids, np.full(len(right), bee), logits, np.full(len(right), "val"), files)
    return Measured(name, "classification", names, predictions)


def rows(*counts: tuple[int, bool]) -> list[bool]:
    return [right for count, right in counts for _ in range(count)]


def test_a_model_beside_itself_makes_no_difference() -> None:
    (found,) = compare([measured("a", rows((90, True), (10, False)))] * 2)
    assert found.better is None
    assert found.chance == 1.0
    assert found.difference.value == 0
    assert found.verdict().startswith("no difference that these pictures can show: a 90.0%, a 90.0%")


def test_the_better_one_is_told_where_it_is_no_luck() -> None:
    a, b = measured("a", rows((190, True), (10, False))), measured("b", rows((160, True), (40, False)))
    (found,) = compare([a, b])
    assert found.better == "a"
    assert found.chance < 0.001
    assert found.verdict().startswith("a is better than b by 15.0 points: a 95.0%, b 80.0%, on 200 pictures")
    assert compare([b, a])[0].better == "a"
    (few,) = compare(
        [measured("a", rows((19, True), (1, False))), measured("b", rows((16, True), (4, False)))]
    )
    assert few.better is None, "the same shares of 20 pictures are luck once in twenty times and more"


def test_who_is_right_alone_is_named_with_what_the_other_said() -> None:
    (found,) = compare([measured("a", [True, False, True]), measured("b", [True, True, False])])
    assert found.alone == ([("bee/2.jpg", "bee", "ant")], [("bee/1.jpg", "bee", "ant")])


def test_pictures_are_matched_by_content_and_classes_by_name() -> None:
    a = measured("a", rows((60, True)))
    b = measured("b", rows((50, True)), classes=["bee", "wasp", "ant"], first=20)
    (found,) = compare([a, b])
    assert found.count == 40
    assert found.left_out == (20, 10)
    assert found.difference.value == 0


def test_pictures_that_show_something_else_are_left_out() -> None:
    a, b = measured("a", rows((30, True))), measured("b", rows((30, True)))
    b.predictions.targets[:4] = 0
    (found,) = compare([a, b])
    assert (found.relabelled, found.count) == (4, 26)


def test_equal_pictures_count_as_often_as_both_have_them() -> None:
    a, b = measured("a", rows((3, True))), measured("b", rows((2, True)))
    a.predictions.ids[:], b.predictions.ids[:] = "same", "same"
    assert compare([a, b])[0].count == 2


def test_what_cannot_be_compared_is_refused() -> None:
    a = measured("a", rows((30, True)))
    with pytest.raises(DataError, match="measured on different pictures"):
        compare([a, measured("b", rows((30, True)), first=100)])
    with pytest.raises(UsageError, match="two runs or more"):
        compare([a])
    other = Measured("b", "regression", [], a.predictions)
    with pytest.raises(UsageError, match="a is for classification and b for regression"):
        compare([a, other])


def test_numbers_are_compared_by_their_errors() -> None:
    draw = np.random.default_rng(0)
    true = draw.normal(size=200)

    def of(name: str, noise: float) -> Measured:
        said = (true + noise * draw.normal(size=200)).astype(np.float32)[:, None]
        ids = np.array([str(number) for number in range(200)])
        return Measured(name, "regression", [], Predictions(ids, true, said, ids, ids))

    (found,) = compare([of("a", 0.1), of("b", 0.5)])
    assert (found.better, found.figure) == ("a", "mae")
    assert found.difference.high is not None and found.difference.high < 0
    assert compare([of("a", 0.5)] * 2)[0].better is None


def test_labels_are_compared_whatever_their_order() -> None:
    draw = np.random.default_rng(0)
    shown = draw.integers(0, 2, (150, 3))
    ids = np.array([str(number) for number in range(150)])

    def of(name: str, noise: float, order: list[int]) -> Measured:
        logits = (2.0 * shown - 1 + noise * draw.normal(size=shown.shape)).astype(np.float32)
        names = ["red", "round", "new"]
        predictions = Predictions(ids, shown[:, order], logits[:, order], ids, ids)
        return Measured(name, "multilabel", [names[i] for i in order], predictions)

    (found,) = compare([of("a", 2.0, [0, 1, 2]), of("b", 0.2, [2, 0, 1])])
    assert (found.better, found.figure) == ("b", "mean_ap")
    strange = of("c", 0.2, [0, 1, 2])
    strange.classes[0] = "blue"
    with pytest.raises(DataError, match="label 'blue' is known to one"):
        compare([of("a", 2.0, [0, 1, 2]), strange])


def test_of_many_the_chances_are_raised() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    better = measured("b", rows((191, True), (9, False)))
    a = measured("a", rows((184, True), (16, False)))
    assert compare([a, better])[0].better == "b"
    others = [measured(name, rows((184, True), (16, False))) for name in "cdefghij"]
    assert compare([a, better, *others])[0].better is None


@pytest.mark.parametrize(("count", "alone"), [(50, 0.1), (153, 0.04), (1000, 0.03)])
def test_chance_alone_is_called_a_difference_once_in_twenty_times(count: int, alone: float) -> None:
    drawn = np.random.default_rng(0).multinomial(count, [alone, alone, 1 - 2 * alone], 2000)
    false = np.mean([mcnemar(int(a), int(b)) < 0.05 for a, b, _ in drawn])
    assert false < 0.06


@pytest.mark.parametrize(
    ("count", "first", "second"), [(50, 0.1, 0.1), (153, 0.05, 0.02), (1000, 0.06, 0.02)]
)
def test_the_interval_holds_the_true_difference(count: int, first: float, second: float) -> None:
    drawn = np.random.default_rng(0).multinomial(count, [first, second, 1 - first - second], 2000)
    values = [paired_difference(int(a), int(b), count) for a, b, _ in drawn]
    covered = np.mean([(v.low or -1) <= first - second <= (v.high or 1) for v in values])
    assert 0.94 <= covered <= 0.98


def test_from_few_pictures_nothing_is_told() -> None:
    value, chance = paired_means(np.arange(12.0), np.zeros(12))
    assert (value.low, chance) == (None, 1.0)
    assert "too few" in value.why
    shown = np.zeros((60, 2), int)
    shown[:30, 0], shown[:3, 1] = 1, 1  # three pictures show the second label
    ids = np.array([str(number) for number in range(60)])
    draw = np.random.default_rng(0)
    a, b = (
        Measured(name, "multilabel", CLASSES, Predictions(ids, shown, draw.normal(size=(60, 2)), ids, ids))
        for name in "ab"
    )
    (found,) = compare([a, b])
    assert found.better is None and "fewer than 10 pictures" in found.difference.why


@pytest.mark.parametrize("count", [50, 153])
def test_a_difference_of_errors_holds_the_true_one(count: int) -> None:
    draw, held, false = np.random.default_rng(0), 0, 0
    for _ in range(500):
        common, first, second = draw.normal(size=(3, count))
        value, _ = paired_means(np.abs(common + first), np.abs(common + 2 * second))
        true = np.sqrt(2 / np.pi) * (np.sqrt(2) - np.sqrt(5))
        held += (value.low or -9) <= true <= (value.high or 9)
        false += paired_means(np.abs(common + first), np.abs(common + second))[1] < 0.05
    assert held > 0.92 * 500 and false < 0.08 * 500
