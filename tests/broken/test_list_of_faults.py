"""The faults that lensmith has to survive, and that each has a test: `@pytest.mark.fault(7)` says of which.

Each ends in recovery, or in an exit code other than 0 with one error that names file, cause and cure: never in a
traceback, a changed file of the user, or a good checkpoint lost. `pytest -m fault` runs them all.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).parents[1]

FAULTS = {
    1: "a picture of 0 bytes",
    2: "a JPEG cut in half",
    3: "a web page saved as .jpg",
    4: "a PNG with a byte flipped",
    5: "a small file of 100 and of 400 megapixels",
    6: "CMYK and Adobe's inverted JPEG",
    7: "16-bit grey PNG and TIFF",
    8: "TIFF of floats",
    9: "transparency: RGBA, LA, a palette's clear colour",
    10: "moving GIF, WebP and PNG",
    11: "EXIF orientations 1 to 8, and broken EXIF",
    12: "HEIC and AVIF",
    13: "a wrong suffix: TIFF, PSD, PostScript as .jpg",
    14: "1 x 1 and 5000 x 1 pixels",
    15: "names: no UTF-8, a line break, an emoji, 255 bytes, CON",
    16: "links that lead in a circle or out of the folder",
    17: "files that nobody may read, or that vanish during the run",
    18: "an empty class folder, one class, pictures in folders of folders",
    19: "a validation folder that lacks a class, or has one more",
    20: ".ipynb_checkpoints, .DS_Store, __MACOSX",
    21: "one picture in training and in test",
    22: "two pictures in a class",
    23: "a disk that fills up while something is saved",
    24: "SIGKILL at each point of saving",
    25: "SIGTERM, SIGINT, Ctrl-C twice",
    26: "a checkpoint cut off, or with a bit flipped",
    27: "a checkpoint of another configuration, of other classes, of another torch",
    28: "going on with another number of workers or processes",
    29: "two runs in one folder",
    30: "a process of torchrun killed",
    31: "a process that reads pictures killed; /dev/shm of 64 MB",
    32: "a loss that is no number at step k",
    33: "memory that is not enough",
    34: "no right to write, no home, no terminal, LANG=C",
    35: "a weights file that runs code when it is unpickled",
    36: "a cloned repository that wants to be run, or to be read for ever",
    37: "HTTP: bodies too long, without a length, without an end, slow, compressed, in 10,000 parts, empty",
    38: "HTTP: 200 at once",
    39: "HTTP: paths that climb, other hosts and origins",
    40: "SIGTERM while serving; a model deleted or replaced while it is served",
    41: "a clock that jumps back; runs of one second; times of files that say nothing",
    42: "an exported file that answers otherwise",
}


def faults_tested(tests: Path) -> dict[int, set[str]]:
    """Which tests are marked with each number, as `file:name`."""
    found: dict[int, set[str]] = defaultdict(set)
    for file in sorted(tests.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                        for number in mark.args:
                            found[ast.literal_eval(number)].add(f"{file.relative_to(tests)}:{node.name}")
    return found


def test_every_fault_has_a_test() -> None:
    tested = faults_tested(TESTS)
    assert [f"{number}: {FAULTS[number]}" for number in FAULTS if number not in tested] == []
    assert set(tested) <= set(FAULTS), "a mark with a number that is not in the list"


MARKED = """
@pytest.mark.fault(1, 3)
def test_one(): ...

@pytest.mark.fault(2)
def helping(): ...
"""


def test_a_fault_without_a_test_is_seen(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(MARKED)
    assert faults_tested(tmp_path) == {1: {"test_a.py:test_one"}, 3: {"test_a.py:test_one"}}
