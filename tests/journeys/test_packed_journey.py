"""A network that somebody trained elsewhere: packed, measured, asked, exported, served; one answer everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest
import torch
from command_line import command, serving, tree
from painted import COLOURS, paint_folder
from PIL import Image
from torch import nn
from torchvision.transforms import v2

import lensmith as lm
from lensmith.runs.predictions import read_predictions

NET = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen, self.head = nn.AvgPool2d(8), nn.Linear(12, 3)

    def forward(self, images):
        return self.head(self.seen(images).flatten(1))
"""
NAMES = ["dog", "ant", "cat"]


def trained() -> nn.Module:
    """As of a tutorial's training: each class by how near its colour is, mean and deviation one half each."""
    names: dict[str, type[nn.Module]] = {}
    exec(NET, names)
    net = names["Net"]()
    colours = torch.tensor([COLOURS[name] for name in NAMES]) / 127.5 - 1
    with torch.no_grad():
        head = net.head
        head.weight.copy_(colours.repeat_interleave(4, dim=1) * 2)
        head.bias.copy_(-4 * colours.square().sum(1))
    return net.eval()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's files, and labelled pictures that it never saw; one cannot be read."""
    place = tmp_path_factory.mktemp("tutorial")
    (place / "net.py").write_text(NET)
    (place / "names.csv").write_text("class_index,class_name\n1,ant\n0,dog\n2,cat\n")
    torch.save({"epoch": 3, "model_state_dict": trained().state_dict()}, place / "checkpoint.pth")
    paint_folder(place / "photos", ant=4, cat=3, dog=5)
    (place / "photos/cat/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    words = ("--model", "net.py:Net", "--classes", "names.csv", "--size", "16", "--normalize", "half")
    done = command("pack", "checkpoint.pth", *words, "-o", "tutorial.lens", cwd=place)
    assert done.code == 0, done
    # From here on the code and the checkpoint are not needed.
    shutil.move(place / "net.py", place / "checkpoint.pth.py")
    return place


def by_hand(place: Path) -> dict[str, dict[str, float]]:
    """What plain PyTorch says of each picture."""
    ready = v2.Compose(
        [
            v2.Resize(16),
            v2.CenterCrop(16),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    found = {}
    for file in sorted((place / "photos").glob("*/[0-9]*.png")):
        with Image.open(file) as picture, torch.no_grad():
            shares = trained()(ready(picture.convert("RGB"))[None]).softmax(1)[0]
        found[str(file.relative_to(place))] = dict(zip(NAMES, shares.tolist(), strict=True))
    return found


def test_predict_says_what_plain_pytorch_says(place: Path) -> None:
    wanted = by_hand(place)
    done = command("predict", "tutorial.lens", "photos", "--json", cwd=place)
    assert done.code == 0, done
    rows = {row["file"]: row for row in done.rows}
    assert "error" in rows.pop("photos/cat/broken.png")
    assert rows.keys() == wanted.keys()
    for file, shares in wanted.items():
        assert dict(rows[file]["top"]) == pytest.approx(shares, abs=1e-5)
    assert {max(shares.values()) for shares in wanted.values()} - {1.0}  # not all the same


def test_evaluate_measures_it(place: Path) -> None:
    before = tree(place / "photos")
    never = command("evaluate", "tutorial.lens", cwd=place)
    never.refused(5, "never measured", "lensmith evaluate tutorial.lens DATA")
    done = command("evaluate", "tutorial.lens", "photos", "--json", cwd=place)
    assert done.code == 0 and done.json["count"] == 12, done
    right = sum(
        max(s, key=lambda name: s[name]) == Path(file).parent.name for file, s in by_hand(place).items()
    )
    assert done.json["accuracy"]["value"] == pytest.approx(right / 12)
    assert [Path(one["file"]).name for one in done.json["skipped"]] == ["broken.png"]
    assert tree(place / "photos") == before


def test_what_was_measured_is_a_page(place: Path) -> None:
    done = command("evaluate", "tutorial.lens", "photos", "-o", "measured", "--json", cwd=place)
    assert done.code == 0 and "look at report.html" in done.err, done
    page = (place / "measured/report.html").read_text(encoding="utf-8")
    report = json.loads((place / "measured/report.json").read_text(encoding="utf-8"))
    assert report["verdict"] in page and "broken.png" in page and "measured" in page
    assert report["accuracy"] == done.json["accuracy"]
    assert len(read_predictions(place / "measured/predictions.npz").files) == 12
    facts = json.loads((place / "measured/facts.json").read_text(encoding="utf-8"))
    assert facts["model"]["sha256"] == lm.load_model(place / "tutorial.lens").sha256
    again = command("evaluate", "tutorial.lens", "photos", "-o", "measured", cwd=place)
    again.refused(2, "measured already holds something")
    inside = command("evaluate", "tutorial.lens", "photos", "-o", "photos/ant/measured", cwd=place)
    inside.refused(2, "lies under the data")


@pytest.mark.parametrize("suffix", ["onnx", "lens"])
def test_export_gives_the_same(suffix: str, place: Path) -> None:
    done = command("export", "tutorial.lens", "-o", f"out.{suffix}", "--check", "photos/dog", cwd=place)
    assert done.code == 0 and "same answers as its source on 5 pictures" in done.err, done
    if suffix == "lens":
        assert lm.load_model(place / "out.lens").sha256 == lm.load_model(place / "tutorial.lens").sha256
        return
    import onnxruntime

    meta = onnxruntime.InferenceSession(place / "out.onnx").get_modelmeta().custom_metadata_map
    made = json.loads(meta["lensmith.provenance"])
    assert made["made_by"] == "pack" and made["weights"]["licence"] == "unknown"


def test_serve_gives_the_same(place: Path) -> None:
    with serving(place / "tutorial.lens", cwd=place) as url:
        model = httpx.get(f"{url}/v1/model", trust_env=False).json()
        assert model["licence"] == "unknown" and "provenance" not in model
        for file, shares in list(by_hand(place).items())[::4]:
            content = (place / file).read_bytes()
            answer = httpx.post(f"{url}/v1/predict", content=content, trust_env=False).json()
            assert dict(answer["top"]) == pytest.approx(shares, abs=1e-5)
