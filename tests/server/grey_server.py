"""A tiny bundle with known answers, and a real server on a real socket."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import uvicorn
from numpy.typing import NDArray
from PIL import Image

from lensmith.pictures.preprocess import Preprocess
from lensmith.server.app import make_app
from lensmith.server.limits import Limits
from lensmith.server.run import listen, url_of, uvicorn_config
from lensmith.types import Prediction

Pixels = NDArray[np.uint8]


class GreyBundle:
    """Calls a picture by its brightness: the level is the probability of "light", times 255."""

    sha256 = "ab" * 32
    preprocess = Preprocess(8, fit="crop")

    def __init__(self, seconds: float = 0.0, at_once: int = 64) -> None:
        self.seconds = seconds
        self.at_once = at_once
        self.batches: list[int] = []

    def describe(self) -> dict[str, Any]:
        facts = {"task": "classification", "classes": ["dark", "light"], "sha256": self.sha256}
        weights = {"source": "/home/me/secret.pth", "licence": "MIT"}
        return {**facts, "provenance": {"data": "/home/me/secret", "weights": weights}, "files": {"w": "cd"}}

    def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
        self.batches.append(len(images))
        time.sleep(self.seconds)
        if (images == 13).all(axis=(1, 2, 3)).any():
            raise RuntimeError("secret: /home/me/model.onnx broke")
        return [_prediction(float(level)) for _, level in self.scores(images)]

    def scores(self, images: Pixels, /) -> NDArray[np.float64]:
        light = images.mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - light, light], axis=1)


def _prediction(light: float) -> Prediction:
    top = sorted((("dark", 1 - light), ("light", light)), key=lambda pair: -pair[1])
    return Prediction(top[0][0], top[0][1], top[0][1] > 0.7, tuple(top))


def picture(level: int, side: int = 16) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def wide(left: int, right: int, kind: str = "PNG") -> bytes:
    """A picture of 64 x 32 pixels whose halves have these levels."""
    pixels = np.full((32, 64, 3), left, np.uint8)
    pixels[:, 32:] = right
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@contextmanager
def running(bundle: Any, *, port: int = 0, **options: Any) -> Iterator[httpx.Client]:
    """A client of a server in a thread; `options` go to `make_app`."""
    with listen("127.0.0.1", port) as listener:
        app = make_app(bundle, **options)
        server = uvicorn.Server(uvicorn_config(app, options.get("limits") or Limits()))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=url_of(listener), timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
