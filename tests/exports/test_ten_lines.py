"""The ten lines of docs/export.md answer as `predict`, in a Python that has three packages and nothing of ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from drawn import encoded
from PIL import Image
from small_nets import scene

from lensmith.bundle.bundle import Bundle
from lensmith.exports.export import export

PAGE = (Path(__file__).parents[2] / "docs/export.md").read_text(encoding="utf-8")
*_, LINES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PACKAGES = ("numpy", "onnxruntime", "PIL")
RUN = """
import importlib.util, os, sys
shelf, lines, *places = sys.argv[1:]
sys.path.insert(0, shelf)
assert not [name for name in ("lensmith", "torch", "onnx", "scipy", "cv2") if importlib.util.find_spec(name)]
for place in places:
    os.chdir(place)
    exec(lines)
"""


def turned(orientation: int) -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


COLOUR, GREY = scene(120, 90), scene(80, 110, 3)[:, :, 1]
PICTURES = {
    "colour-jpeg": encoded(COLOUR, "JPEG"),
    "colour-png": encoded(COLOUR),
    "grey-jpeg": encoded(GREY, "JPEG"),
    "grey-png": encoded(GREY),
    "turned-jpeg": encoded(COLOUR, "JPEG", **turned(6)),
    "turned-grey-jpeg": encoded(GREY, "JPEG", **turned(8)),
    "turned-png": encoded(COLOUR, "PNG", **turned(5)),
    "small": encoded(scene(5, 9)),
    "exact": encoded(scene(24, 32), "JPEG", quality=60),
    "strip": encoded(scene(300, 21)),
    "large": encoded(scene(1300, 1700), "JPEG"),
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to the three packages and the shared libraries beside them."""
    installed, place = Path(sysconfig.get_path("purelib")), tmp_path_factory.mktemp("shelf")
    for name in (*PACKAGES, "numpy.libs", "pillow.libs"):
        if (installed / name).exists():
            (place / name).symlink_to(installed / name)
    return place


def test_there_are_ten() -> None:
    assert len([line for line in LINES.splitlines() if line.strip()]) == 10


def test_they_answer_as_predict(smooth: Bundle, shelf: Path, tmp_path: Path) -> None:
    source = smooth.with_facts(temperature=0.8, threshold=0.5)
    for name, content in PICTURES.items():
        (tmp_path / name / "digits/7").mkdir(parents=True)
        (tmp_path / name / "digits/7/0007.png").write_bytes(content)
    export(source, tmp_path / "digits.onnx", [COLOUR])
    for name in PICTURES:
        (tmp_path / name / "digits.onnx").symlink_to(tmp_path / "digits.onnx")
    places = [str(tmp_path / name) for name in PICTURES]
    # -I: no environment variables, no folder of the user; -S: none of the installed packages.
    words = [sys.executable, "-I", "-S", "-c", RUN, str(shelf), LINES, *places]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    labels = set()
    for (name, content), (label, sure, probabilities) in zip(PICTURES.items(), rows, strict=True):
        wanted = source.predict(content)
        assert (label, sure) == (wanted.label, wanted.sure), name
        assert probabilities == pytest.approx(dict(wanted.top), abs=0.005), name
        labels.add((label, sure))
    assert len(labels) > 2  # else a file that always says the same would pass
