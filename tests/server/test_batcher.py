from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from grey_server import GreyBundle, Pixels

from lensmith.server.admission import Admission, QueueFullError
from lensmith.server.batcher import Batcher, ModelFailedError
from lensmith.server.limits import Limits
from lensmith.types import Prediction

LONG = 60.0


def flat(level: int) -> Pixels:
    return np.full((8, 8, 3), level, np.uint8)


@contextmanager
def running(limits: Limits, workers: int = 1) -> Iterator[Batcher]:
    batcher = Batcher(limits, workers)
    batcher.start()
    try:
        yield batcher
    finally:
        batcher.close()


def test_those_that_are_being_decoded_are_waited_for_and_go_together() -> None:
    bundle = GreyBundle()
    with running(Limits(gather_seconds=LONG)) as batcher:
        with batcher.coming():
            futures = [batcher.submit(bundle, flat(50 * i)) for i in range(5)]
        answers = [future.result(LONG) for future in futures]
    assert bundle.batches == [5]
    assert [dict(answer.top)["light"] for answer in answers] == pytest.approx(
        [50 * i / 255 for i in range(5)]
    )


def test_one_alone_waits_for_nobody() -> None:
    with running(Limits(gather_seconds=LONG)) as batcher:
        assert batcher.submit(GreyBundle(), flat(200)).result(LONG / 4).label == "light"


def test_who_cannot_be_decoded_is_no_longer_waited_for() -> None:
    with running(Limits(gather_seconds=LONG)) as batcher:
        with contextlib.suppress(ValueError), batcher.coming():
            future = batcher.submit(GreyBundle(), flat(200))
            raise ValueError("no picture")
        assert future.result(LONG / 4).label == "light"


@pytest.mark.parametrize(("limit", "best"), [(4, 64), (64, 4)])
def test_a_batch_is_never_larger_than_the_limit_or_than_suits_the_model(limit: int, best: int) -> None:
    bundle = GreyBundle(at_once=best)
    with running(Limits(batch=limit, gather_seconds=LONG)) as batcher:
        with batcher.coming():
            futures = [batcher.submit(bundle, flat(9)) for _ in range(8)]
        for future in futures:
            future.result(LONG)
    assert bundle.batches == [4, 4]


def test_two_models_never_share_a_batch() -> None:
    old, new = GreyBundle(), GreyBundle()
    with running(Limits(gather_seconds=LONG)) as batcher:
        with batcher.coming():
            futures = [batcher.submit(bundle, flat(9)) for bundle in (old, old, new, new, new, old)]
        for future in futures:
            future.result(LONG)
    assert (old.batches, new.batches) == ([2, 1], [3])


def test_two_workers_compute_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=LONG)

    class Meeting(GreyBundle):
        def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
            both.wait()
            return super().predict_prepared(images)

    bundle = Meeting(at_once=1)
    with running(Limits(), workers=2) as batcher:
        futures = [batcher.submit(bundle, flat(level)) for level in (0, 255) * 10]
        assert [future.result(LONG).label for future in futures] == ["dark", "light"] * 10


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_who_computes_lets_the_thread_go_first_that_listens() -> None:
    seen: list[int] = []

    class Looking(GreyBundle):
        def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
            seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super().predict_prepared(images)

    before = os.getpriority(os.PRIO_PROCESS, 0)
    with running(Limits()) as batcher:
        batcher.submit(Looking(), flat(9)).result(LONG)
    assert before < seen[0] <= 19
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_a_failing_batch_fails_alone_and_says_why() -> None:
    bundle = GreyBundle()
    with running(Limits()) as batcher:
        with pytest.raises(ModelFailedError) as failed:
            batcher.submit(bundle, flat(13)).result(LONG)
        assert "model.onnx broke" in str(failed.value.__cause__)
        assert batcher.submit(bundle, flat(200)).result(LONG).label == "light"


def test_too_few_answers_are_a_failure_not_a_mix_up() -> None:
    class Short(GreyBundle):
        def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
            return []

    with running(Limits()) as batcher, pytest.raises(ModelFailedError):
        batcher.submit(Short(), flat(1)).result(LONG)


def test_who_gave_up_costs_nothing_and_closing_answers_the_rest() -> None:
    gate = threading.Event()
    seen: list[int] = []

    class Gated(GreyBundle):
        def predict_prepared(self, images: Pixels, /) -> list[Prediction]:
            gate.wait(LONG)
            seen.extend(images[:, 0, 0, 0].tolist())
            return super().predict_prepared(images)

    batcher, bundle = Batcher(Limits(batch=1)), Gated()
    batcher.start()
    futures = [batcher.submit(bundle, flat(level)) for level in (1, 2, 3)]
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
        batcher.submit(bundle, flat(1))


def test_full_means_refused_until_somebody_leaves() -> None:
    admission = Admission(Limits(in_flight=3, in_flight_bytes=100))
    with admission.admit() as first, admission.admit():
        first.take(size=60)
        with pytest.raises(QueueFullError):
            first.take(size=41)
        with pytest.raises(QueueFullError):
            first.take(pictures=2)
        with admission.admit() as third, pytest.raises(QueueFullError), admission.admit():
            third.take(size=40)
        first.take(pictures=1, size=40)
    assert (admission.pictures, admission.bytes) == (0, 0)
