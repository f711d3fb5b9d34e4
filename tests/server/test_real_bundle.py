"""A real bundle from disk, served by the real command, answers over HTTP as it does in process."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import httpx
import pytest
from grey_server import picture
from test_run import serving

from lensmith.bundle.bundle import Bundle, load_model
from lensmith.pictures.preprocess import Preprocess, preprocess_from

# Registered here too, so that the program stands on its own; it says at the end whether torch was loaded.
COMMAND = """
import sys
from lensmith.cli.commands.serve import serve
from lensmith.cli.main import app, run
app.command()(serve)
code = run(["serve", *sys.argv[1:]])
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


def small_bundle(*classes: str) -> Bundle:
    """A small untrained network."""
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 14 * 14, len(classes)),
    )
    return Bundle(net.eval(), preprocess=Preprocess((16, 16)), classes=classes)


@pytest.fixture(scope="module")
def bundle_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle("a", "b", "ß").save(tmp_path_factory.mktemp("bundle") / "net.lens")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_http_answers_as_the_bundle_does_and_loads_no_torch(bundle_file: Path) -> None:
    bundle = load_model(bundle_file)
    with serving(str(bundle_file), "--port", "0", program=COMMAND) as (process, url, _):
        for level in (0, 90, 200):
            content = picture(level, side=40)
            facts = httpx.post(f"{url}/v1/predict", content=content, trust_env=False).json()
            expected = bundle.predict(content)
            assert facts["label"] == expected.label and facts["sure"] == expected.sure
            assert facts["model"] == bundle.sha256
            assert [name for name, _ in facts["top"]] == [name for name, _ in expected.top]
            assert [p for _, p in facts["top"]] == pytest.approx([p for _, p in expected.top], abs=1e-6)
        words = [base64.b64encode(picture(level, side=40)).decode() for level in range(0, 250, 10)]
        answer = httpx.post(f"{url}/v1/predict", json={"pictures": words}, trust_env=False).json()
        expected = bundle.predict([base64.b64decode(word) for word in words])
        assert [one["label"] for one in answer["predictions"]] == [one.label for one in expected]
        model = httpx.get(f"{url}/v1/model", trust_env=False).json()
        assert model["classes"] == ["a", "b", "ß"]
        assert preprocess_from(model["preprocess"]) == bundle.preprocess
        assert str(bundle_file) not in str(model) and "provenance" not in model
        process.terminate()
        assert process.wait(30) == 0
        assert process.stderr is not None
        *lines, stopped, torch_is_loaded = process.stderr.read().splitlines()
        assert (stopped, torch_is_loaded) == ("stopped", "False")
        requests = [json.loads(line) for line in lines]
        assert [line["pictures"] for line in requests] == [1, 1, 1, 25, 0]
        assert len({line["request_id"] for line in requests}) == 5


@pytest.mark.fault(40)
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_replaced_bundle_is_served_if_it_is_whole(bundle_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "model"
    small_bundle("a", "b").save(run)
    with serving(str(run), "--port", "0", "--quiet", program=COMMAND) as (process, url, _):

        def classes() -> list[str]:
            found: list[str] = httpx.get(f"{url}/v1/model", trust_env=False).json()["classes"]
            return found

        assert process.stderr is not None
        small_bundle("c", "d").save(run)
        weights = run / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4] + b"\0\1\2\3")
        refused = json.loads(process.stderr.readline())
        assert "weights.safetensors is damaged" in refused["why"] and classes() == ["a", "b"]
        small_bundle("e", "f", "g").save(run)
        taken = json.loads(process.stderr.readline())
        assert taken["event"] == "the model was replaced" and classes() == ["e", "f", "g"]
        facts = httpx.post(f"{url}/v1/predict", content=picture(9), trust_env=False).json()
        assert facts["model"] == taken["model"] == load_model(run).sha256


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    from lensmith.cli.commands.serve import serve
    from lensmith.errors import LensmithError

    with pytest.raises(LensmithError, match="nothing\\.lens"):
        serve(str(tmp_path / "nothing.lens"), port=0)
