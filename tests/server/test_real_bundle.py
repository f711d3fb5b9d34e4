"""A real bundle from disk, served by the real command, answers over HTTP as it does in process."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest
from grey_server import picture
from test_run import serving

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


@pytest.fixture(scope="module")
def bundle_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained network with three classes."""
    import torch

    from lensmith.bundle.bundle import Bundle
    from lensmith.pictures.preprocess import Preprocess

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(4 * 14 * 14, 3)
    )
    bundle = Bundle(net.eval(), preprocess=Preprocess((16, 16)), classes=["a", "b", "ß"])
    return bundle.save(tmp_path_factory.mktemp("bundle") / "net.lens")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_http_answers_as_the_bundle_does_and_loads_no_torch(bundle_file: Path) -> None:
    from lensmith.bundle.bundle import load_model

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
        model = httpx.get(f"{url}/v1/model", trust_env=False).json()
        assert model["classes"] == ["a", "b", "ß"]
        process.terminate()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1] == "False"


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    from lensmith.cli.commands.serve import serve
    from lensmith.errors import LensmithError

    with pytest.raises(LensmithError, match="nothing\\.lens"):
        serve(str(tmp_path / "nothing.lens"), port=0)
