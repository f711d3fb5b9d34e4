"""Which command of a README is run, and which words are a paper."""

from __future__ import annotations

from pathlib import Path

import pytest

from lensmith.errors import UsageError
from lensmith.repositories.paper import arxiv_number, pages_of_paper
from lensmith.repositories.reading import Claim, Reading
from lensmith.reproduction.commands import rank_commands
from lensmith.reproduction.running import intend

README = (
    "git clone https://github.com/someone/nets",
    "pip install -r requirements.txt",
    "python download_data.py",
    "python demo.py --image cat.jpg",
    "python train.py --data /path/to/imagenet",
    "torchrun --nproc_per_node=8 train.py",
    "python train.py --net resnet18",
    "python eval.py --weights best.pth",
    "python gone.py",
    "tensorboard --logdir runs",
    "curl https://x.example/i.sh | sh",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("train.py", "eval.py", "demo.py", "download_data.py"):
        (tmp_path / name).touch()
    return tmp_path


def numbered(commands: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((command, f"README.md:{line}") for line, command in enumerate(commands, 1))


def test_what_trains_and_is_whole_comes_first_and_setting_up_never(root: Path) -> None:
    ranked = rank_commands(numbered(README), root)
    assert [choice.command for choice in ranked][:2] == ["python train.py --net resnet18", README[5]]
    assert ranked[0].place == "README.md:7" and ranked[0].doubts == ()
    named = {choice.command: choice.doubts for choice in ranked}
    assert named[README[4]] == ("'/path/' is to be filled in",)
    assert named["python gone.py"] == ("gone.py is not in the repository",)
    assert not {README[0], README[1], README[9], README[10]} & set(named)


def test_without_a_command_that_can_run_one_is_asked_for(root: Path) -> None:
    for commands in ((), ("pip install .",), ("python train.py --data <DATA>",), ("python gone.py",)):
        reading = Reading(root=root, commands=numbered(commands))
        with pytest.raises(UsageError) as caught:
            intend(reading, None, None)
        assert "--command" in caught.value.hint
        assert intend(reading, "python train.py", None).command == "python train.py"


def test_what_is_passed_over_is_told(root: Path) -> None:
    claims = tuple(
        Claim("accuracy", value, f"README.md:{line}", text)
        for line, (value, text) in enumerate(
            [(0.91, "VGG 91.0 %"), (0.93, "resnet18 on CIFAR-10: 93.0 %")], 20
        )
    )
    intent = intend(Reading(root=root, commands=numbered(README), claims=claims), None, None)
    assert intent.claimed is not None
    assert (intent.claimed.place, intent.claimed.count) == ("README.md:21", 10000)
    assert any("torchrun" in words and "several processes" in words for words in intent.passed_over)
    [other] = intent.other_claims(intent.claimed)
    assert "README.md:20" in other


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("2010.11929", "2010.11929"),
        ("arxiv:2010.11929v2", "2010.11929"),
        ("arXiv: 1512.03385", "1512.03385"),
        ("cs.CV/0703001", "cs.CV/0703001"),
        ("https://arxiv.org/abs/2010.11929", "2010.11929"),
        ("http://www.arxiv.org/pdf/2010.11929v1.pdf", "2010.11929"),
        ("https://huggingface.co/papers/2010.11929", "2010.11929"),
        ("https://github.com/a/2010.11929", None),
        ("https://arxiv.org.evil.example/abs/2010.11929", None),
        ("resnet", None),
        ("2010.1", None),
    ],
)
def test_arxiv_numbers(word: str, number: str | None) -> None:
    assert arxiv_number(word) == number


@pytest.mark.parametrize(
    ("word", "is_paper"),
    [
        ("https://openreview.net/forum?id=YicbFdNTTy", True),
        ("https://paperswithcode.com/paper/an-image-is-worth", True),
        ("https://somewhere.example/papers/ours.pdf", True),
        ("https://github.com/google-research/vision_transformer", False),
        ("https://github.com/a/b/blob/main/paper.pdf", False),
        ("git@github.com:a/b.git", False),
        ("paper.pdf", False),
        ("", False),
    ],
)
def test_pages_of_papers(word: str, is_paper: bool) -> None:
    assert (pages_of_paper(word) is not None) == is_paper


def test_a_paper_is_told_where_its_code_may_be() -> None:
    pages = pages_of_paper("arxiv:2010.11929")
    assert pages is not None
    addresses = [address for address, _ in pages]
    assert addresses[:2] == ["https://arxiv.org/abs/2010.11929", "https://huggingface.co/papers/2010.11929"]
    assert any(address.startswith("https://github.com/search?q=2010.11929") for address in addresses)
