"""Figures found in what programs print, on lines as public programs print them."""

from __future__ import annotations

import random

import pytest

from lensmith.repositories.metrics import known_test_set, metric_called
from lensmith.reproduction.claims import given_claim
from lensmith.reproduction.figures import Figure, FigureReader
from lensmith.reproduction.verdict import Ended, judge


def figures(text: str) -> list[Figure]:
    reader = FigureReader()
    reader.feed(text)
    return reader.figures()


@pytest.mark.parametrize(
    ("line", "metric", "value", "count", "split"),
    [
        ("Accuracy: 93.02%", "accuracy", 0.9302, None, ""),
        ("acc 0.9302", "accuracy", 0.9302, None, ""),
        ("Test accuracy: 97.30%", "accuracy", 0.973, None, "test"),
        (
            "Test set: Average loss: 0.0261, Accuracy: 9912/10000 (99%)",
            "accuracy",
            0.9912,
            10000,
            "test",
        ),
        ("top1 76.13 top5 92.86", "accuracy", 0.7613, None, ""),
        (" * Acc@1 69.76 Acc@5 89.08", "accuracy", 0.6976, None, ""),
        ("* Prec@1 91.670", "accuracy", 0.9167, None, ""),
        (
            "Accuracy of the network on the 10000 test images: 54 %",
            "accuracy",
            0.54,
            10000,
            "test",
        ),
        ("accuracy of 93.2% on 10,000 images", "accuracy", 0.932, 10000, ""),
        ("Final test accuracy = 0.9731 (n=1797)", "accuracy", 0.9731, 1797, "test"),
        ("    accuracy                           0.97       360", "accuracy", 0.97, 360, "test"),
        (" [==>] Tot: 1s | Loss: 0.200 | Acc: 93.020% (9302/10000)", "accuracy", 0.9302, 10000, ""),
        ("acc: 0.93 (12/391)", "accuracy", 0.93, None, ""),
        ("{'eval_accuracy': 0.8431, 'eval_loss': 0.5}", "accuracy", 0.8431, None, "val"),
        ("accuracy: tensor(0.9312, device='cuda:0')", "accuracy", 0.9312, None, ""),
        ("Test Accuracy (%): 97.30", "accuracy", 0.973, None, "test"),
        ("Best acc at epoch 50: 0.953", "accuracy", 0.953, None, ""),
        ("\x1b[32mval acc\x1b[0m: 91.5%", "accuracy", 0.915, None, "val"),
        ("top-1 error: 23.9%", "accuracy", 0.761, None, ""),
        ("test error: 0.052", "accuracy", 0.948, None, "test"),
        ("Test err: 52/1000", "accuracy", 0.948, 1000, "test"),
        ("mIoU: 71.2", "mIoU", 0.712, None, ""),
        (" * Acc@1 76.130 (23.870) Acc@5 92.862 (7.138)", "accuracy", 0.7613, None, ""),
        ("  eval_accuracy           =     0.9145", "accuracy", 0.9145, None, "val"),
        (
            "│         test_acc          │    0.9843000173568726     │",
            "accuracy",
            0.9843000173568726,
            None,
            "test",
        ),
        ("epoch 7: acc 93.1% (best acc 94.2%)", "accuracy", 0.931, None, ""),
        ("acc 93,0.2", "accuracy", 0.93, None, ""),
        ("PSNR: 31.20", "PSNR", 31.2, None, ""),
    ],
)
def test_a_line(line: str, metric: str, value: float, count: int | None, split: str) -> None:
    found = figures(line)[0]
    assert (found.metric, found.count, found.split) == (metric, count, split)
    assert found.value == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    "line",
    [
        "Error: 404",
        "error 2 while reading",
        "accelerate 0.93",
        "Accuracy will follow",
        "Loss: 0.3",
        "accuracy: nan",
        "acc1000 5",
        "accuracy 250",
        "saved to acc_0.93.pth",
    ],
)
def test_a_line_without_a_figure(line: str) -> None:
    assert figures(line) == []


def test_the_last_value_is_the_figure_and_bars_overwrite_themselves() -> None:
    text = (
        "Epoch 1: 100%|###| 391/391 [00:20<00:00, acc=0.931]\rEpoch 2: 100%|###| 391/391 [00:20, acc=0.942]\n"
    )
    [found] = figures(text)
    assert found.value == 0.942 and found.line == 2


def test_figures_of_test_come_before_those_of_training() -> None:
    text = '{"epoch": 1, "test_acc": 0.91, "train_acc": 0.95}\n{"epoch": 2, "test_acc": 0.92, "train_acc": 0.99}\n'
    assert [(one.split, one.value) for one in figures(text)] == [("test", 0.92), ("train", 0.99)]
    keras = "loss: 0.2 - accuracy: 0.98 - val_loss: 0.3 - val_accuracy: 0.93"
    assert figures(keras)[0].value == 0.93


def test_a_running_mean_and_the_summary_after_it() -> None:
    rows = "Test: [10/196]\tTime 1.0 ( 2.0)\tAcc@1  78.91 ( 77.34)\tAcc@5  93.75 ( 93.44)\n"
    assert figures(rows)[0].value == pytest.approx(0.7734)
    best = figures(rows + " *   Acc@1 69.760 Acc@5 89.082\n")[0]
    assert best.value == pytest.approx(0.6976) and best.split == "test"


@pytest.mark.parametrize(
    "table",
    [
        "|  run  |  epoch  |  train_acc  |  val_acc  |\n|---|---|---|---|\n"
        "| 1 | 9 | 0.9 | 0.93 |\n| 1 | 10 | 0.99 | 0.9402 |",
        "epoch  train_loss  test_acc\n-----  -----  -----\n1      0.3         0.91\n2      0.2      0.9402",
        "epoch,loss,Test Accuracy (%)\n1,0.2,93.0\n2,0.1,94.02\n",
        "epoch\ttest acc\n1\t0.93\n2\t0.9402\n",
    ],
)
def test_a_table(table: str) -> None:
    assert figures(table)[0].value == pytest.approx(0.9402)


def test_one_value_above_one_makes_all_of_a_metric_per_cent() -> None:
    assert figures("acc@1 0.5\nacc@1 88.1\nacc@1 0.9")[0].value == pytest.approx(0.009)
    assert figures("acc 1.000")[0].value == 1.0


def test_pieces_may_end_anywhere() -> None:
    reader, text = FigureReader(), "epoch 1\r\nTest accuracy: 97.30%\n"
    for letter in text:
        reader.feed(letter)
    [found] = reader.figures()
    assert (found.value, found.half) == pytest.approx((0.973, 0.00005))


def test_a_figure_called_the_best_says_so() -> None:
    assert figures("Best acc: 94.1")[0].is_best
    assert not figures("acc: 94.1")[0].is_best
    assert not figures("epoch 7: acc 93.1% (best acc 94.2%)")[0].is_best


@pytest.mark.parametrize(
    "word",
    [
        "acc",
        "ACC@1",
        "Top-1 Accuracy",
        "test accuracy",
        "Best val acc. (%)",
        "top1",
        "Prec@1",
        "top 1 acc",
        "top_1",
    ],
)
def test_spellings_of_accuracy(word: str) -> None:
    metric = metric_called(word)
    assert metric is not None and metric.name == "accuracy" and not metric.complement


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("python main.py --dataset cifar10", 10000),
        ("ResNet-18 on ImageNet", 50000),
        ("tiny-imagenet", 10000),
        ("CIFAR-10 after ImageNet pretraining", None),
        ("emnist letters", None),
        ("photos", None),
    ],
)
def test_sizes_of_known_test_sets(text: str, count: int | None) -> None:
    found = known_test_set(text)
    assert (found[1] if found else None) == count


def test_no_output_breaks_the_reader_or_the_verdict() -> None:
    draw = random.Random(0)
    words = [
        "acc",
        "top1",
        "error",
        "mIoU",
        "psnr",
        "test",
        "best",
        "epoch 3",
        "of",
        "on",
        "1e9",
        "1e999",
        "nan",
        "0",
        "-1",
    ]
    words += [
        "0.93",
        "9,9,9",
        "93.02%",
        "(5/0)",
        "/0",
        "/10",
        "(93.0)",
        "|",
        "=",
        ":",
        "\r",
        "\n",
        "\t",
        "\x1b[K",
        "│",
        "(n=0)",
        ".",
    ]
    claims = [given_claim(text) for text in ("94.8%", "error=5%@3", "psnr=31", "miou=0.7")]
    for _ in range(3000):
        text = "".join(
            draw.choice(words) + draw.choice(["", " ", "  "]) for _ in range(draw.randrange(1, 14))
        )
        found = figures(text)
        assert all(0 <= one.value <= 1 for one in found if one.metric not in ("PSNR", "SSIM", "FID")), text
        for claim in claims:
            assert judge(claim, found, Ended(0, "", 1)).reason, text
