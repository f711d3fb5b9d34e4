from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from grey_server import GreyBundle, Pixels

from lensmith.server.batcher import Batcher, ModelFailedError, QueueFullError
from lensmith.server.limits import Limits
from lensmith.types import Prediction

LONG = 60.0


def flat(level: int) -> Pixels:
    return np.full((8, 8, 3), level, np.uint8)


@contextmanager
def running(bundle: GreyBundle, limits: Limits) -> Iterator[Batcher]:
    batcher = Batcher(bundle.predict_prepared, limits)
    batcher.start()
    try:
        yield batcher
    finally:
        batcher.close()


def test_those_on_the_way_are_waited_for_and_go_together() -> None:
    bundle = GreyBundle()
    with running(bundle, Limits(gather_seconds=LONG)) as batcher, ExitStack() as places:
        for _ in range(5):
            places.enter_context(batcher.admit())
        futures = [batcher.submit(flat(50 * i)) for i in range(5)]
        answers = [future.result(LONG) for future in futures]
    assert bundle.batches == [5]
    assert [dict(answer.top)["light"] for answer in answers] == pytest.approx(
        [50 * i / 255 for i in range(5)]
    )


def test_one_alone_waits_for_nobody() -> None:
    with running(GreyBundle(), Limits(gather_seconds=LONG)) as batcher, batcher.admit():
        assert batcher.submit(flat(200)).result(LONG / 4).label == "light"


def test_who_leaves_is_no_longer_waited_for() -> None:
    with running(GreyBundle(), Limits(gather_seconds=LONG)) as batcher, batcher.admit():
        with batcher.admit():
            future = batcher.submit(flat(200))
        assert future.result(LONG / 4).label == "light"


def test_a_batch_never_exceeds_its_limit() -> None:
    bundle = GreyBundle()
    with running(bundle, Limits(batch=4, gather_seconds=LONG)) as batcher, ExitStack() as places:
        for _ in range(10):
            places.enter_context(batcher.admit())
        futures = [batcher.submit(flat(9)) for _ in range(8)]
        for future in futures:
            future.result(LONG)
    assert bundle.batches == [4, 4]


def test_full_means_refused_until_somebody_leaves() -> None:
    with running(GreyBundle(), Limits(in_flight=2)) as batcher, batcher.admit():
        with batcher.admit(), pytest.raises(QueueFullError), batcher.admit():
            pass
        with batcher.admit():
            pass


def test_a_failing_batch_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    with running(GreyBundle(), Limits()) as batcher, batcher.admit():
        with pytest.raises(ModelFailedError):
            batcher.submit(flat(13)).result(LONG)
        assert "model.onnx broke" in caplog.text
        assert batcher.submit(flat(200)).result(LONG).label == "light"


def test_too_few_answers_are_a_failure_not_a_mix_up(caplog: pytest.LogCaptureFixture) -> None:
    def short(images: Pixels) -> list[Prediction]:
        return []

    batcher = Batcher(short, Limits())
    batcher.start()
    with batcher.admit(), pytest.raises(ModelFailedError):
        batcher.submit(flat(1)).result(LONG)
    batcher.close()


def test_who_gave_up_costs_nothing_and_closing_answers_the_rest() -> None:
    gate = threading.Event()
    seen: list[int] = []

    class Gated(GreyBundle):
        def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
            gate.wait(LONG)
            seen.extend(images[:, 0, 0, 0].tolist())
            return super().predict_prepared(images)

    batcher = Batcher(Gated().predict_prepared, Limits(batch=1))
    batcher.start()
    with batcher.admit():
        futures = [batcher.submit(flat(level)) for level in (1, 2, 3)]
        while not futures[0].running():
            pass
        assert futures[1].cancel()
        closer = threading.Thread(target=batcher.close)
        closer.start()
        gate.set()
        closer.join(LONG)
    assert futures[2].result(0).label == "dark"
    assert seen == [1, 3]
    assert not batcher.is_running
    with pytest.raises(QueueFullError):
        batcher.submit(flat(1))
    with pytest.raises(QueueFullError), batcher.admit():
        pass
