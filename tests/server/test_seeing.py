"""How the model sees a picture, over HTTP: the prepared pixels, and where an answer hangs on them."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from grey_server import GreyBundle, Pixels, picture, wide
from numpy.typing import NDArray
from PIL import Image
from test_http import error_of

from lensmith.pictures.decode import decode
from lensmith.pictures.preprocess import Preprocess
from lensmith.server.limits import Limits

Start = Callable[..., httpx.Client]
ROUTES = ("/v1/view", "/v1/explain")


def pixels_in(url: str) -> Pixels:
    head, _, content = url.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_a_view_is_what_the_model_gets_and_says_what_is_cut_off(client: httpx.Client) -> None:
    view = client.post("/v1/view", content=wide(0, 200)).json()
    assert view["size"] == [32, 64] and view["input"] == [8, 8] and view["fit"] == "crop"
    assert view["shown"] == [0, 16, 32, 32]
    expected = GreyBundle.preprocess(decode(wide(0, 200)))
    assert (pixels_in(view["picture"]) == expected).all()


def test_a_view_is_upright(client: httpx.Client) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(wide(0, 200))).save(file, "JPEG", exif=exif, quality=95)
    view = client.post("/v1/view", content=file.getvalue()).json()
    assert view["size"] == [64, 32] and view["shown"] == [16, 0, 32, 32]


def test_an_explanation_points_at_the_bright_half(client: httpx.Client) -> None:
    said = client.post("/v1/explain", content=wide(0, 250)).json()
    # As it sees the picture, the right half is bright; it calls that "dark" or "light" by the mean.
    assert said["label"] == "dark" and said["score"] == pytest.approx(1 - 125 / 255, abs=0.02)
    assert said["model"] == GreyBundle.sha256
    light = client.post("/v1/explain?label=light", content=wide(0, 250)).json()
    drops = np.array(light["drops"])
    assert light["label"] == "light" and drops[:, -1].mean() > 0.02 > drops[:, 0].mean()
    shown = pixels_in(light["overlay"]).astype(int)
    redness = shown[..., 0] - shown[..., 2]
    assert redness[:, -40:].mean() > 3 * redness[:, :40].mean()
    assert error_of(client.post("/v1/explain?label=blue", content=picture(9)), 422) == "unknown_label"


def test_an_explanation_that_is_flat_says_so(client: httpx.Client) -> None:
    said = client.post("/v1/explain", content=picture(255)).json()
    assert said["flat"] is True and said["largest"] < 0.02 and said["window"] == 0.5


def test_what_small_windows_do_not_show_large_ones_may(start: Start) -> None:
    class Twice(GreyBundle):
        """Sure of "light" as long as any of the right half is light."""

        preprocess = Preprocess(32)

        def scores(self, images: Pixels, /) -> NDArray[np.float64]:
            light = np.minimum(1, (images[:, :, 16:] > 200).mean(axis=(1, 2, 3)) * 1.25)
            return np.stack([1 - light, light], axis=1)

    said = start(Twice()).post("/v1/explain", content=wide(0, 250)).json()
    assert said["flat"] is False and said["window"] == 0.5 and said["label"] == "light"


def test_a_regression_is_explained_by_its_number(start: Start) -> None:
    class Number(GreyBundle):
        def describe(self) -> dict[str, Any]:
            return {"task": "regression", "classes": [], "sha256": self.sha256}

        def scores(self, images: Pixels, /) -> NDArray[np.float64]:
            return -10.0 * images[..., 0].mean(axis=(1, 2))[:, None]

    said = start(Number()).post("/v1/explain", content=wide(0, 250)).json()
    assert said["label"] is None and said["score"] == pytest.approx(-1250, abs=30)
    assert said["flat"] is False and said["largest"] > 20


def test_bodies_that_hold_no_picture_are_refused_as_in_predict(client: httpx.Client) -> None:
    for path in ROUTES:
        assert error_of(client.post(path, content=b""), 400) == "empty_body"
        assert error_of(client.post(path, content=b"hello"), 422) == "unreadable_picture"
        assert error_of(client.post(path, content=bytes(100_001)), 413) == "too_large"
        assert error_of(client.post(path, files={"file": picture(9)}), 415) == "unsupported_media_type"


class Slow(GreyBundle):
    """Is explained only as the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.asked = threading.Event()

    def scores(self, images: Pixels, /) -> NDArray[np.float64]:
        if threading.current_thread().name.startswith("lensmith-explain"):
            self.asked.set()
            assert self.gate.wait(30)
        return super().scores(images)


def test_one_explanation_at_a_time_and_predictions_meanwhile(start: Start) -> None:
    bundle = Slow()
    client = start(bundle)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/explain", content=wide(0, 250))
        assert bundle.asked.wait(30)
        second = client.post("/v1/explain", content=picture(9))
        assert error_of(second, 503) == "busy" and int(second.headers["Retry-After"]) >= 1
        assert client.post("/v1/predict", content=picture(255)).json()["label"] == "light"
        bundle.gate.set()
        assert first.result(30).status_code == 200
    assert client.post("/v1/explain", content=picture(9)).status_code == 200


def test_an_explanation_takes_one_of_the_places_and_ends_in_time(start: Start) -> None:
    bundle = Slow()
    client = start(bundle, limits=Limits(in_flight=1, seconds=0.2))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/explain", content=wide(0, 250))
        assert bundle.asked.wait(30)
        assert error_of(client.post("/v1/predict", content=picture(9)), 503) == "busy"
        time.sleep(0.3)
        bundle.gate.set()
        assert error_of(first.result(30), 503) == "busy"
    assert client.post("/v1/predict", content=picture(9)).status_code == 200


def test_a_model_that_fails_to_explain_is_not_explained(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(GreyBundle):
        def scores(self, images: Pixels, /) -> NDArray[np.float64]:
            raise RuntimeError("secret: /home/me/model.onnx broke")

    class Numberless(GreyBundle):
        def scores(self, images: Pixels, /) -> NDArray[np.float64]:
            return np.full((len(images), 2), np.nan)

    assert error_of(start(Numberless()).post("/v1/explain", content=picture(9)), 500) == "internal"
    client = start(Failing())
    assert error_of(client.post("/v1/explain", content=picture(9)), 500) == "internal"
    assert "model.onnx broke" in caplog.text
    assert error_of(client.post("/v1/explain", content=picture(9)), 500) == "internal"  # not "busy"
