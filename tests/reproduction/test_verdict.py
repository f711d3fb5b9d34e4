"""The verdict follows its rules: on the border of each, and over a grid."""

from __future__ import annotations

import itertools

import pytest

from lensmith.errors import UsageError
from lensmith.repositories.reading import Claim
from lensmith.reproduction.claims import choose_claims, claimed_in, given_claim
from lensmith.reproduction.figures import Figure
from lensmith.reproduction.verdict import Ended, Verdict, judge

WELL = Ended(0, "", 60.0)
WORST_FIRST = ("not reproduced", "within noise", "reproduced")


def figure(value: float, count: int | None = None, *, half: float = 0.00005, split: str = "test") -> Figure:
    return Figure("accuracy", value, half, count, split, 1, f"accuracy {value}")


def verdict(claim: str, value: float, count: int | None = None, half: float = 0.00005) -> Verdict:
    return judge(given_claim(claim), [figure(value, count, half=half)], WELL)


@pytest.mark.parametrize(
    ("claim", "value", "count", "word"),
    [
        ("accuracy=94.8%", 0.9480, None, "reproduced"),  # the same number
        ("accuracy=94.8%", 0.9450, 10000, "reproduced"),  # in an interval of 0.9 points
        ("accuracy=94.8%", 0.9420, 10000, "within noise"),  # outside; two measurements differ so by chance
        ("accuracy=94.8%", 0.9380, 10000, "not reproduced"),
        ("accuracy=94.8%", 0.9590, 10000, "not reproduced"),  # better is another number too
        ("accuracy=94.8%", 0.9400, 500, "within noise"),  # in an interval of 4 points
        ("accuracy=94.8%", 0.9440, None, "within noise"),  # within half a point
        ("accuracy=94.8%", 0.9400, None, "not reproduced"),
        ("accuracy=94.8%@10000", 0.9450, None, "reproduced"),
        ("accuracy=95%", 0.9530, None, "within noise"),  # the same number, but of two digits
        ("error=5.2%", 0.9480, None, "reproduced"),
        ("accuracy=100%", 1.0, 360, "reproduced"),  # of 360 all right: an interval of 1.1 points
        ("accuracy=100%", 1.0, 100, "within noise"),
    ],
)
def test_the_rules(claim: str, value: float, count: int | None, word: str) -> None:
    assert verdict(claim, value, count).word == word


@pytest.mark.parametrize("count", [None, 20, 100, 360, 1797, 10000, 50000])
@pytest.mark.parametrize("percent", [0, 1, 10, 50, 81.3, 94.8, 97.25, 99.9, 100])
def test_farther_is_never_better(percent: float, count: int | None) -> None:
    """Over a grid: going away from the claim on either side, the word never gets better."""
    steps = [
        percent / 100 + side * step / 2000 for side, step in itertools.product((1, -1), range(0, 600, 4))
    ]
    if count:
        steps = [round(value * count) / count for value in steps]
    for side in (1, -1):
        values = sorted(
            {v for v in steps if 0 <= v <= 1 and side * (v - percent / 100) >= 0}, reverse=side < 0
        )
        ranks = [WORST_FIRST.index(verdict(f"accuracy={percent}%", v, count).word) for v in values]
        assert ranks == sorted(ranks, reverse=True)


def test_more_pictures_never_soften_a_verdict_against() -> None:
    """A figure that chance does not explain on few pictures, it does not explain on more."""
    for value in (0.90, 0.93, 0.94, 0.943, 0.96):
        words = [verdict("accuracy=94.8%", value, n).word for n in (100, 1000, 10000, 100000)]
        bad = [word == "not reproduced" for word in words]
        assert bad == sorted(bad)


@pytest.mark.parametrize(
    "ended", [WELL, Ended(1, "", 5), Ended(None, "time", 5), Ended(None, "", 0), Ended(-9, "memory", 5)]
)
@pytest.mark.parametrize("claim", [None, "accuracy=94.8%", "psnr=31.2"])
def test_without_a_figure_nothing_is_reproduced(ended: Ended, claim: str | None) -> None:
    for figures in ([], [figure(0.948, 10000, split="train")]):
        found = judge(given_claim(claim) if claim else None, figures, ended)
        assert not found.holds and found.figure is None and found.reason


def test_a_run_that_was_cut_off_could_not_run_whatever_it_printed() -> None:
    found = judge(given_claim("accuracy=94.8%"), [figure(0.948, 10000)], Ended(None, "time", 1800.0))
    assert found.word == "could not run"
    assert "time limit after 30 min" in found.reason and "94.80%" in found.reason


def test_the_size_of_a_test_set_counts_only_where_the_digits_allow_it() -> None:
    claim = claimed_in(Claim("accuracy", 0.948, "README.md:1", "94.8% on CIFAR-10"))
    assert judge(claim, [figure(0.9450)], WELL).count == 10000
    odd = judge(claim, [figure(0.945029, half=5e-7)], WELL)  # 9450.29 pictures of 10000
    assert odd.count is None and odd.word == "within noise"


def test_a_best_of_several_is_called_what_it_is() -> None:
    best = Figure("accuracy", 0.945, 0.0005, 10000, "test", 3, "Best acc: 94.5", is_best=True)
    assert "chosen on the pictures" in judge(given_claim("94.8%"), [best], WELL).reason


def test_figures_that_are_no_share_of_pictures_get_a_rule_of_thumb() -> None:
    def psnr(value: float) -> str:
        found = Figure("PSNR", value, 0.005, None, "test", 1, "")
        return judge(given_claim("psnr=31.20"), [found], WELL).word

    assert [psnr(31.2), psnr(31.4), psnr(32.0)] == ["reproduced", "within noise", "not reproduced"]


@pytest.mark.parametrize(
    ("text", "metric", "value", "half", "count"),
    [
        ("accuracy=0.948", "accuracy", 0.948, 0.0005, None),
        ("94.8%", "accuracy", 0.948, 0.0005, None),
        ("error=5.2%", "accuracy", 0.948, 0.0005, None),
        ("top1=76.1", "accuracy", 0.761, 0.0005, None),
        ("mIoU=0.71", "mIoU", 0.71, 0.005, None),
        ("top-5=92.86%@50,000", "top-5 accuracy", 0.9286, 0.00005, 50000),
        ("psnr=31.2", "PSNR", 31.2, 0.05, None),
    ],
)
def test_a_claim_that_is_given(text: str, metric: str, value: float, half: float, count: int | None) -> None:
    found = given_claim(text)
    assert (found.metric, found.count) == (metric, count)
    assert (found.value, found.half) == pytest.approx((value, half))


@pytest.mark.parametrize(
    "text", ["good", "acuracy=3", "accuracy=", "accuracy=1", "accuracy=150%", "94.8%@0", "=5", "accuracy=-3"]
)
def test_a_claim_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        given_claim(text)


def test_of_several_claims_the_one_of_the_command_is_taken_and_another_can_be_chosen() -> None:
    lines = ["| VGG16 | 92.64% |", "| ResNet18 | 93.02% |", "| DenseNet | 95.04% | mIoU 71.2"]
    claims = [
        Claim("accuracy", v, f"README.md:{n}", text)
        for n, (v, text) in enumerate(zip((0.9264, 0.9302, 0.9504), lines, strict=True))
    ]
    found = [one for one in map(claimed_in, [*claims, Claim("mIoU", 0.712, "README.md:2", lines[2])]) if one]
    ranked = choose_claims(found, None, "python main.py --net resnet18")
    assert len(ranked) == 4 and (ranked[0].value, ranked[0].half) == (0.9302, 0.00005)
    assert [one.value for one in choose_claims(found, "README.md:0", "")] == [0.9264]
    assert [one.value for one in choose_claims(found, "miou", "")] == [0.712]
    with pytest.raises(UsageError, match="no such claim"):
        choose_claims(found, "README.md:99", "")
    assert choose_claims([], None, "") == []
