"""Some hundred requests of `hostile`; `bench/fuzz_server.py` sends thousands of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from grey_server import GreyBundle
from hostile import answer_to, drawn_picture, fault_in, hostile
from test_http import is_well

from lensmith.server.limits import Limits

Start = Callable[..., httpx.Client]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_is_sent_makes_it_stumble(
    start: Start, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    limits = Limits(body_bytes=100_000)
    client = start(GreyBundle(), limits=limits)
    draw = random.Random(seed)
    sent = [hostile(draw, limits, drawn_picture(draw)) for _ in range(150)]
    port = client.base_url.port
    assert port is not None
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda one: answer_to(port, one), sent))
    faults = [fault for one, answer in zip(sent, got, strict=True) if (fault := fault_in(one, answer))]
    assert faults == []
    assert len(Counter(one.kind for one in sent)) > 15
    assert is_well(client)
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    assert "in_flight_pictures 0.0" in client.get("/metrics").text
