from __future__ import annotations

import pytest
from repositories_read import fault, reading

from lensmith.provisioning.wishes import Wishes, sort_wishes


def requirements(wishes: Wishes) -> list[str]:
    return [wish.requirement for wish in wishes.packages]


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("sklearn==0.0", "scikit-learn"),
        ("bs4==0.0.1", "beautifulsoup4"),
        ("git", "gitpython"),
        ("PIL==1.1.7", "pillow==1.1.7"),
        (
            "Torch_Geometric [full] >= 2 ; python_version < '3.12'",
            'torch-geometric[full]>=2 ; python_version < "3.12"',
        ),
        ("torch==1.13.1+cu117", "torch==1.13.1+cu117"),
    ],
)
def test_a_requirement_is_taken_under_its_name_on_the_index(written: str, taken: str) -> None:
    assert requirements(sort_wishes(reading(written))) == [taken]


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://evil.example/simple",
        "-r /etc/passwd",
        "-e .",
        ".",
        "./wheels/thing.whl",
        "numpy --global-option=x",
        "numpy\n--extra-index-url https://evil.example",
        "thing @ file:///home/somebody/thing",
        "thing @ git+ssh://git@github.com/somebody/thing",
        "thing @ http://somebody.example/thing-1-py3-none-any.whl",
    ],
)
def test_what_is_no_package_with_a_version_is_named_and_left_out(line: str) -> None:
    wishes = sort_wishes(reading(line, "tqdm"))
    assert requirements(wishes) == ["tqdm"]
    assert wishes.foreign == ()
    (found,) = wishes.faults
    assert found.places == ("requirements.txt:1",)
    assert "left out" in found.cure


def test_what_comes_from_git_is_left_to_the_build_and_an_unpinned_commit_is_named() -> None:
    wishes = sort_wishes(reading("clip @ git+https://github.com/openai/CLIP.git"))
    assert requirements(wishes) == []
    assert wishes.foreign == ("clip @ git+https://github.com/openai/CLIP.git",)
    assert "no fixed commit" in fault(wishes.faults, "needs a build step").detail
    pinned = sort_wishes(reading(f"clip @ git+https://github.com/openai/CLIP.git@{'a' * 40}"))
    assert "no fixed commit" not in fault(pinned.faults, "needs a build step").detail


def test_conda_names_become_those_of_the_index_and_build_strings_go() -> None:
    asked = ("pytorch=1.13.1=py3.9_cuda11.7_cudnn8.5.0_0", "opencv=4.6.0", "numpy=1.24", "cudatoolkit=11.7")
    wishes = sort_wishes(reading(conda=asked))
    assert requirements(wishes) == ["torch==1.13.1.*", "opencv-python==4.6.0.*", "numpy==1.24.*"]
    assert "torch's wheel brings" in fault(wishes.faults, "cudatoolkit").cure


def test_conda_packages_that_nothing_imports_are_not_looked_for_under_their_name() -> None:
    wishes = sort_wishes(
        reading(conda=("ncurses=6.2", "xz=5.2", "einops=0.6"), imports={"einops": ("a.py:1",)})
    )
    assert requirements(wishes) == ["einops==0.6.*"]
    assert "ncurses, xz" in fault(wishes.faults, "conda packages").detail


@pytest.mark.parametrize("asked", ["cpuonly=2.0", "pytorch=1.13.1=py3.9_cpu_0"])
def test_conda_asks_for_a_cpu_build_by_name_or_build_string(asked: str) -> None:
    assert sort_wishes(reading(conda=(asked,))).wants_cpu == ("environment.yml:1",)


def test_a_foreign_index_is_named_and_left_out() -> None:
    urls = (
        "https://download.pytorch.org/whl/cu117",
        "https://pypi.org/simple",
        "https://evil.example/simple",
    )
    wishes = sort_wishes(reading("tqdm", indexes=urls))
    assert "https://evil.example/simple" in fault(wishes.faults, "foreign index").detail
    assert sum(one.name == "foreign index" for one in wishes.faults) == 1


def test_an_index_that_only_looks_like_a_known_one_is_foreign() -> None:
    for url in (
        "http://pypi.org/simple",
        "https://pypi.org.evil.example/simple",
        "https://pypi.org@evil.example/",
    ):
        assert fault(sort_wishes(reading(indexes=(url,))).faults, "foreign index")


def test_an_undeclared_import_is_added_as_a_guess() -> None:
    wishes = sort_wishes(reading("tqdm", undeclared=("einops",), imports={"einops": ("model.py:3",)}))
    assert requirements(wishes) == ["tqdm", "einops"]
    assert [wish.guessed for wish in wishes.packages] == [False, True]
    assert fault(wishes.faults, "added").places == ("model.py:3",)


def test_copies_of_the_standard_library_are_left_out() -> None:
    wishes = sort_wishes(reading("dataclasses==0.6", "typing==3.7.4"))
    assert requirements(wishes) == []
    assert [one.name for one in wishes.faults] == ["standard library", "standard library"]


def test_two_files_that_agree_are_one_wish_and_two_that_do_not_are_named() -> None:
    assert requirements(sort_wishes(reading("numpy>=1.20", "numpy<2"))) == ["numpy<2,>=1.20"]
    wishes = sort_wishes(reading("numpy==1.20.0", "numpy==1.21.0"))
    assert requirements(wishes) == ["numpy==1.20.0"]
    assert fault(wishes.faults, "contradiction").places == ("requirements.txt:1", "requirements.txt:2")
