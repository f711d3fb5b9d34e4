"""A model that is replaced on disk while it is being served."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lensmith.errors import LensmithError, ModelFileError
from lensmith.server.priority import step_back
from lensmith.server.service import Servable, Service

_LOG = logging.getLogger(__name__)
_LAST_FILE = "bundle.json"
"""A bundle's last file: where it is new, the others stand."""

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Source:
    """Where a bundle came from (a folder, or a `.lens` file), and how to load it from there."""

    path: Path
    load: Callable[[Path], Servable]

    def stamp(self) -> Stamp | None:
        """What changes when the bundle is replaced; `None` where there is none."""
        try:
            found = (self.path if self.path.is_file() else self.path / _LAST_FILE).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def warm_up(bundle: Servable) -> None:
    """One picture through the model: what is wrong with it shows now, and nobody waits for the engine to start.

    Raises what the model raises, and `ModelFileError` where its answer is no number.
    """
    grey = np.full((64, 64, 3), 128, np.uint8)
    (answer,) = bundle.predict_prepared(bundle.preprocess(grey)[np.newaxis])
    if not math.isfinite(answer.probability if answer.value is None else answer.value):
        raise ModelFileError("the model answers a grey picture with no number")


class Watch:
    """Looks every few seconds whether the bundle was replaced, and puts a new one that works in its place.

    One that is damaged, cannot be opened or cannot answer is not taken: the log says why, and the old one stays.
    """

    def __init__(self, service: Service, source: Source) -> None:
        self._service = service
        self._source = source
        self._over = threading.Event()
        self._tried = source.stamp()
        self._thread = threading.Thread(target=self._look, name="lensmith-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; a bundle that is being loaded is not waited for."""
        self._over.set()

    def _look(self) -> None:
        step_back()
        before = self._tried
        while not self._over.wait(self._service.limits.look_seconds):
            now = self._source.stamp()
            # Twice the same: whoever copies it is done.
            if now is not None and now != self._tried and now == before:
                self._tried = now
                self._replace()
            before = now

    def _replace(self) -> None:
        try:
            bundle = self._source.load(self._source.path)
            warm_up(bundle)
        except LensmithError as error:
            self._keep(str(error))
        except Exception as error:
            self._keep(f"{type(error).__name__}: {error}")
        else:
            fields = {"before": self._service.bundle.sha256, "model": bundle.sha256}
            if not self._over.is_set():
                self._service.bundle = bundle
                self._service.metrics.replaced("taken")
                _LOG.info("the model was replaced", extra={"fields": fields})

    def _keep(self, why: str) -> None:
        self._service.metrics.replaced("refused")
        fields = {"why": why, "model": self._service.bundle.sha256}
        _LOG.error("the model on disk was replaced by one that is not taken", extra={"fields": fields})
