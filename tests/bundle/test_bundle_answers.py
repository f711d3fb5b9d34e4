"""A bundle answers as its network does, now and after it was opened again."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_nets import BRANCHING, by_hand, scene, tied_net
from torch import Tensor, nn

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.errors import LensmithError, ModelFileError, UsageError
from lensmith.models.build import build
from lensmith.pictures.preprocess import Preprocess
from lensmith.types import Prediction

PICTURES = [scene(16, 16), scene(30, 41), scene(90, 17), scene(20, 200)]


def soft(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_answers_are_those_of_plain_pytorch(bundle: Bundle) -> None:
    prepared = [bundle.prepare(picture) for picture in PICTURES]
    expected = by_hand(tied_net(), prepared, bundle.preprocess.mean, bundle.preprocess.std)
    assert np.abs(bundle.logits(np.stack(prepared)) - expected).max() <= 1e-5
    for answer, row in zip(bundle.predict(PICTURES), soft(expected), strict=True):
        assert answer.label == bundle.classes[row.argmax()]
        named = dict(zip(bundle.classes, row.tolist(), strict=True))
        assert dict(answer.top) == pytest.approx(named, abs=1e-5)
        assert [p for _, p in answer.top] == sorted((p for _, p in answer.top), reverse=True)
    assert len({answer.label for answer in bundle.predict(PICTURES)}) > 1


@pytest.mark.parametrize("name", ["model", "net.lens"])
def test_saved_and_opened_it_is_the_same(name: str, bundle: Bundle, tmp_path: Path) -> None:
    again = load_model(bundle.save(tmp_path / name))
    assert again.sha256 == bundle.sha256
    assert again.facts == bundle.facts
    assert again.predict(PICTURES) == bundle.predict(PICTURES)
    assert load_model(again.save(tmp_path / "copy.lens")).sha256 == bundle.sha256


def test_the_identity_is_that_of_what_decides_an_answer(bundle: Bundle) -> None:
    assert bundle.with_facts(report={"x": 1}, provenance={"y": 2}).sha256 == bundle.sha256
    others = [
        bundle.with_facts(threshold=0.7),
        bundle.with_facts(temperature=2.0),
        bundle.with_facts(classes=["x", "y", "z"]),
        bundle.with_facts(preprocess=Preprocess(16)),
        bundle.with_facts(files={**bundle.facts.files, "weights.safetensors": "0" * 64}),
    ]
    assert len({bundle.sha256, *(other.sha256 for other in others)}) == 6


def test_one_picture_gives_one_answer_and_a_list_a_list(bundle: Bundle, tmp_path: Path) -> None:
    picture = PICTURES[1]
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    forms: list[Any] = [
        picture,
        Image.fromarray(picture),
        torch.from_numpy(picture).permute(2, 0, 1),
        buffer.getvalue(),
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
    ]
    one = bundle.predict(picture)
    assert isinstance(one, Prediction)
    assert all(bundle.predict(form) == one for form in forms)
    assert bundle.predict(tuple(forms)) == [one] * 6
    assert bundle.predict([picture]) == [one] and bundle.predict([]) == []
    assert bundle.predict(picture[:, :, ::-1].copy(), bgr=True) == one


def test_many_pictures_are_answered_as_each_alone(bundle: Bundle) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (150, 16, 16, 3), dtype=np.uint8)
    alone = np.concatenate([bundle.logits(one[None]) for one in pixels])
    assert np.abs(bundle.logits(pixels) - alone).max() <= 1e-5
    assert len(bundle.predict_prepared(pixels[:0])) == 0


def test_sure_follows_the_threshold(bundle: Bundle) -> None:
    answers = bundle.predict(PICTURES)
    for threshold in (0.0, 0.4, 0.6, 0.9, 1.0):
        judged = bundle.with_facts(threshold=threshold).predict(PICTURES)
        assert [one.sure for one in judged] == [one.probability >= threshold for one in answers]
    assert "not sure" in str(bundle.with_facts(threshold=1.0).predict(PICTURES[0]))


def test_temperature_softens_and_keeps_the_label(bundle: Bundle) -> None:
    cold, warm = bundle.predict(PICTURES), bundle.with_facts(temperature=5.0).predict(PICTURES)
    assert [one.label for one in cold] == [one.label for one in warm]
    assert all(w.probability < c.probability for w, c in zip(warm, cold, strict=True))


def test_at_most_five_names_are_told() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 9))
    answer = Bundle(net, preprocess=Preprocess(4), classes=list("abcdefghi")).predict(scene(8, 8))
    assert len(answer.top) == 5 and answer.top[0] == (answer.label, answer.probability)


def test_the_network_is_left_alone_and_goes_its_own_way() -> None:
    """Made in the middle of a training, it changes nothing there, and going on changes nothing in it."""
    net = tied_net(2)
    before, modes = copy.deepcopy(net.state_dict()), [part.training for part in net.modules()]
    bundle = Bundle(net, preprocess=Preprocess(16), classes=["a", "b"])
    first = bundle.predict(PICTURES)
    assert [part.training for part in net.modules()] == modes and all(modes)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    with torch.no_grad():
        net.head.weight.neg_()
    assert bundle.predict(PICTURES) == first


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["a", "b"], r"3 outputs and 2 class names.*\n.*one name per output"),
        ([], "no output has a name"),
        (["a", "b", "a"], "two outputs are called 'a'"),
    ],
)
def test_names_that_do_not_fit_are_refused(classes: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Bundle(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), preprocess=Preprocess(4), classes=classes)


def test_names_may_be_numbers() -> None:
    """As a data set has them: `range(10)`, numpy's words."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    bundle = Bundle(net, preprocess=Preprocess(4), classes=[7, np.str_("x")])  # type: ignore[list-item]
    assert bundle.predict(scene(8, 8)).label in ("7", "x")


class Mixing(nn.Module):
    """Gives one row for all pictures together."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(48, 3)

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(images.flatten(1)).mean(0)
        return outputs


def test_a_network_that_gives_no_row_per_picture_is_refused() -> None:
    with pytest.raises(ModelFileError, match=r"gives \(3,\) for 2 pictures, and \[2, 3\] is needed"):
        Bundle(Mixing(), preprocess=Preprocess(4), classes=["a", "b", "c"])


class Telling(Mixing):
    """Gives a table, as networks with several heads do."""

    def forward(self, images: Tensor) -> Any:
        return {"logits": self.head(images.flatten(1))}


class Counting(Mixing):
    """Knows one size of a batch."""

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(images.reshape(7, 48))
        return outputs


@pytest.mark.parametrize(
    ("net", "words"),
    [(Telling(), "gives a dict, and a tensor is needed"), (Counting(), r"fails on pictures of \[2, 4, 4\]")],
)
def test_a_network_that_cannot_answer_is_refused_when_it_is_packed(net: nn.Module, words: str) -> None:
    with pytest.warns(UserWarning, match="no ONNX graph"), pytest.raises(ModelFileError, match=words):
        Bundle(net, preprocess=Preprocess(4), classes=["a", "b", "c"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_in_another_precision_is_told_the_way(dtype: torch.dtype) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).to(dtype)
    with pytest.raises(UsageError, match=rf"is in {str(dtype)[6:]}, .*\n.*net\.float\(\)"):
        Bundle(net, preprocess=Preprocess(4), classes=["a", "b"])


@pytest.fixture
def branching(tmp_path: Path) -> str:
    """The name of a network that the exporter cannot follow: it decides by what it sees."""
    (tmp_path / "branching.py").write_text(BRANCHING)
    return f"{tmp_path}/branching.py:make"


def test_what_cannot_be_traced_still_works_by_its_name(branching: str, tmp_path: Path) -> None:
    net = build(branching, 2, 4).train()
    with torch.no_grad():
        net.light.weight.mul_(3)
    with pytest.warns(
        UserWarning, match=r"no ONNX graph .*; torch will run it, as .*branching\.py:make"
    ) as said:
        bundle = Bundle(net, preprocess=Preprocess(4), classes=["a", "b"], name=branching)
    assert len(said) == 1 and "\x1b" not in str(said[0].message) and "\n" not in str(said[0].message)
    light, dark = np.full((4, 4, 3), 230, np.uint8), np.full((4, 4, 3), 20, np.uint8)
    expected = [by_hand(net.train(), [one], (0.5,) * 3, (0.5,) * 3)[0] for one in (light, dark)]
    again = load_model(bundle.save(tmp_path / "b.lens"))
    for one in (bundle, again):
        assert list(one.files) == ["weights.safetensors"]
        found = [one.logits(pixels[None])[0] for pixels in (light, dark)]
        assert np.abs(np.array(found) - np.array(expected)).max() <= 1e-5
    net.train()
    before = bundle.predict(light)
    with torch.no_grad():
        net.light.weight.neg_()
    assert bundle.predict(light) == before and net.training


def test_what_can_neither_be_traced_nor_made_again_says_so(branching: str, tmp_path: Path) -> None:
    net = build(branching, 2, 4)
    with pytest.warns(UserWarning, match="without a model name no file of it can be opened"):
        bundle = Bundle(net, preprocess=Preprocess(4), classes=["a", "b"])
    again = load_model(bundle.save(tmp_path / "b.lens"))
    with pytest.raises(LensmithError, match="neither a graph nor its model's name"):
        again.predict(scene(8, 8))


def test_three_labels_at_once() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].bias.copy_(torch.tensor([2.0, -1.0, 0.0]))
    bundle = Bundle(net, preprocess=Preprocess(4), classes=["x", "y", "z"], task="multilabel")
    answer = bundle.predict(scene(8, 8))
    chances = [1 / (1 + np.exp(-v)) for v in (2.0, -1.0, 0.0)]
    assert dict(answer.top) == pytest.approx(dict(zip("xyz", chances, strict=True)), abs=1e-6)
    assert answer.labels == ("x", "z")
    assert answer.as_dict()["labels"] == ["x", "z"]
    other = bundle.with_facts(label_thresholds=[0.9, 0.25, 0.5]).predict(scene(8, 8))
    assert other.labels == ("z", "y") and other.top == answer.top
    assert other.probability == pytest.approx(1 - chances[0]), "x is not said, though it is likely"
    with pytest.raises(UsageError, match="label_thresholds"):
        bundle.with_facts(label_thresholds=[0.5])


def test_a_number(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 1))
    bundle = Bundle(net, preprocess=Preprocess(4), classes=[], task="regression")
    again = load_model(bundle.save(tmp_path / "n.lens"))
    expected = by_hand(net, [bundle.prepare(PICTURES[0])], (0.5,) * 3, (0.5,) * 3)
    assert again.predict(PICTURES[0]).value == pytest.approx(float(expected[0, 0]), abs=1e-5)
