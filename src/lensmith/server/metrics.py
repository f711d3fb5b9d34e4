"""What the server counts, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client import Metric

    from lensmith.server.service import Service

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
_PICTURES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "lensmith_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "lensmith_request_seconds",
            "From a request's headers to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "lensmith_batch_pictures",
            "Pictures that went through the model together.",
            buckets=_PICTURES,
            registry=self.registry,
        )
        self._refused = Counter(
            "lensmith_refused", "Requests and connections above a limit.", ["limit"], registry=self.registry
        )
        self._replaced = Counter(
            "lensmith_model_replacements",
            "Models that were put in the place of the one served, and whether they were taken.",
            ["outcome"],
            registry=self.registry,
        )

    def request(self, route: str, status: int, seconds: float) -> None:
        """One request is over."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, pictures: int) -> None:
        """One batch goes to the model."""
        self._batches.observe(pictures)

    def refused(self, limit: str) -> None:
        """Something came above a limit."""
        self._refused.labels(limit).inc()

    def replaced(self, outcome: str) -> None:
        """A model was found in the place of the served one."""
        self._replaced.labels(outcome).inc()

    def watch(self, service: Service) -> None:
        """Add what is read from a service when somebody asks."""
        self.registry.register(_State(service))

    def text(self) -> bytes:
        """All of it, in the text format."""
        return generate_latest(self.registry)


class _State(Collector):
    """What is so at the moment of asking."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        service = self._service
        for name, words, value in (
            ("queue_pictures", "Decoded pictures that wait for the model.", service.waiting),
            ("in_flight_pictures", "Pictures taken in and not yet answered.", service.admission.pictures),
            ("in_flight_bytes", "Bytes of the bodies taken in.", service.admission.bytes),
        ):
            yield GaugeMetricFamily(f"lensmith_{name}", words, value=value)
        model = GaugeMetricFamily("lensmith_model_info", "The model that is being served.", labels=["sha256"])
        model.add_metric([service.bundle.sha256], 1)
        yield model
