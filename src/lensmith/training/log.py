"""What a training leaves behind while it runs: `metrics.jsonl`, and the same for TensorBoard."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lensmith.fitting.fit import Epoch, Step
from lensmith.models.activations import activations
from lensmith.runs.directory import RunDirectory
from lensmith.runs.files import append_json_line

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_SHOWN = 16
_FEW_MODULES = 100
"""Of a deeper network the maps of every layer are more than anybody looks at; `lm.activations` gives them."""


class RunLog:
    """Writes as the training goes; `writer` is an ordinary SummaryWriter, for whatever else one draws.

    after: the step after which a training goes on; what an earlier process drew of later ones is hidden. quiet: of a
    process that is not the first of several, nothing is drawn.
    """

    writer: SummaryWriter

    def __init__(
        self,
        run: RunDirectory,
        *,
        log_every: int = 20,
        histograms: int = 0,
        after: int = 0,
        quiet: bool = False,
    ) -> None:
        self._run = run
        self._log_every = log_every
        self._histograms = histograms
        self._quiet = quiet
        if not quiet:
            self.writer = open_writer(run.tensorboard, after + 1 if after else None)

    def size(self) -> int:
        """Bytes of `metrics.jsonl`."""
        file = self._run.metrics_file
        return file.stat().st_size if file.exists() else 0

    def cut(self, size: int) -> None:
        """Take back what was written after `metrics.jsonl` had so many bytes: it comes again."""
        if self.size() > size:
            os.truncate(self._run.metrics_file, size)

    def step(self, step: Step, model: nn.Module) -> None:
        """Loss and rate every `log_every` steps, the weights' distributions every `histograms` ones."""
        if self._quiet:
            return
        if step.index % self._log_every == 1 or self._log_every == 1:
            self.writer.add_scalar("step/loss", float(step.loss), step.index)
            self.writer.add_scalar("step/lr", step.lr, step.index)
        if self._histograms and step.index % self._histograms == 0:
            for name, parameter in model.named_parameters():
                self.writer.add_histogram(name, parameter.detach().float().cpu(), step.index)

    def note(self, step: Step, words: str) -> None:
        """Something that was changed on the way, with its step."""
        append_json_line(self._run.metrics_file, {"step": step.index, "note": words})

    def epoch(self, epoch: Epoch, figures: dict[str, float]) -> None:
        """One line and one point per curve; `figures` are those of the split that choices are made on."""
        append_json_line(self._run.metrics_file, vars(epoch) | figures)
        if self._quiet:
            return
        self.writer.add_scalar("epoch/train_loss", epoch.train_loss, epoch.index)
        for name, value in figures.items():
            self.writer.add_scalar(f"epoch/{name}", value, epoch.index)
        self.writer.flush()

    def start(self, model: nn.Module, images: Tensor, *, graph: bool = True) -> None:
        """What there is before the first step: some pictures, and the network, where there is time for it."""
        if self._quiet:
            return
        self._pictures(images)
        if graph:
            self._graph(model, images)

    def _pictures(self, images: Tensor) -> None:
        """Some training pictures as the model sees them, float [N, 3, H, W], brought back to 0 to 1."""
        shown = images[:_SHOWN].detach().float().cpu()
        low, high = shown.amin(), shown.amax()
        self.writer.add_images("training pictures", (shown - low) / (high - low).clamp(min=1e-6), 0)

    def _graph(self, model: nn.Module, images: Tensor) -> None:
        """The network as a graph, where torch can trace it."""
        modes = [(part, part.training) for part in model.modules()]
        try:
            # Whether there is time to trace must not move what the training draws.
            with warnings.catch_warnings(), torch.no_grad(), torch.random.fork_rng(devices=[]):
                warnings.simplefilter("ignore")  # tracing warns of every shape that Python looks at
                self.writer.add_graph(model.eval(), images[:1])
        except Exception as error:
            self.writer.add_text("graph", f"torch could not trace this network: {error}")
        finally:
            for part, training in modes:
                part.training = training

    def end(self, model: nn.Module, image: Tensor) -> None:
        """What the trained network makes of one picture, float [3, H, W], layer by layer; then close."""
        if self._quiet:
            return
        if sum(1 for _ in model.modules()) <= _FEW_MODULES:
            activations(model, image, writer=self.writer)
        self.writer.flush()
        self.writer.close()


def open_writer(folder: Path, purge_step: int | None = None) -> SummaryWriter:
    """A SummaryWriter on a folder of event files. purge_step: from which on earlier ones are hidden."""
    from torch.utils.tensorboard import SummaryWriter

    _hush_writers_threads()
    return SummaryWriter(str(folder), purge_step=purge_step)


def _hush_writers_threads() -> None:
    """A full disk ends the thread that writes the events with a traceback on stderr. Its error is kept all the
    same, and raised where we write or flush next, which is where it is told."""
    before = threading.excepthook
    if getattr(before, "hushes", False):
        return

    def hook(args: threading.ExceptHookArgs) -> None:
        if not (isinstance(args.exc_value, OSError) and type(args.thread).__name__ == "_AsyncWriterThread"):
            before(args)

    hook.hushes = True  # type: ignore[attr-defined]
    threading.excepthook = hook
