"""Seconds by stage."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds by stage, since the process began if `began` says when (time.time)."""

    began: float = field(default_factory=time.time)
    stages: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # From here on by a clock that nobody sets.
        self._start = time.perf_counter() - (time.time() - self.began)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what runs inside under a name."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = round(self.stages.get(name, 0.0) + time.perf_counter() - start, 3)

    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._start

    def told(self) -> dict[str, float]:
        """Seconds of each stage so far, and of all."""
        return {**self.stages, "total": round(self.spent(), 3)}
