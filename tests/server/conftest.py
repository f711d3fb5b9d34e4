"""Real servers on real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from grey_server import GreyBundle, running

from lensmith.server.limits import Limits


@pytest.fixture
def start() -> Iterator[Callable[..., httpx.Client]]:
    """Start servers that end with the test."""
    with ExitStack() as stack:
        yield lambda bundle, **options: stack.enter_context(running(bundle, **options))


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """One server for the tests that leave it as they found it."""
    with running(GreyBundle(), limits=Limits(body_bytes=100_000, seconds=1.0)) as client:
        yield client
