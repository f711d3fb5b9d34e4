"""The gradient of a batch that several processes compute in shares: that of the whole batch's loss, on each of them.

One sum over all processes a step, of everything laid end to end in an order that never changes. Torch's
DistributedDataParallel lays its buckets out anew after its first step, which among three processes and more gives
other bits: a training that goes on from a checkpoint would not end where an undisturbed one does. It also waits for
ever where one process alone has no memory for its share, and needs a share and a gradient of every parameter on each.
What it would gain, to send while the backward pass still computes, is little for networks of this size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from lensmith.errors import UsageError
from lensmith.fitting.weighing import Share, Weighing
from lensmith.machine.processes import Processes


class SharedGradient:
    """Sums what lies in the parameters over all processes, each of which calls it at every step.

    The running statistics of norms become their means over all pictures of the batch; other buffers of numbers are
    the first process's.
    """

    def __init__(
        self,
        processes: Processes,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Callable[..., Tensor],
    ) -> None:
        self._processes = processes
        self._model = model
        self._trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        wide = any(p.dtype == torch.float64 for p in self._trained)
        self._dtype = torch.float64 if wide else torch.float32
        self.weigh = Weighing(loss)

    @torch.no_grad()
    def reduce(self, share: Share | None) -> Tensor | None:
        """The whole batch's loss, its gradient being in the parameters; None where a process had no memory for its
        share (of which `share` is None).

        Raises `UsageError` on all processes where shares differ in size and the loss does not say what it averages.
        """
        failed, share = share is None, share or Share()
        means, others = self._buffers()
        facts = self._trained[0].new_tensor([failed, share.rows, 0, 0], dtype=self._dtype)
        facts[2], facts[3] = share.weight, share.loss
        parts = [
            facts,
            facts.new_tensor([p.grad is not None for p in self._trained]),
            *(
                self._flat(_in_memory(torch.zeros_like(p) if p.grad is None else p.grad, p))
                for p in self._trained
            ),
            *(self._flat(one) * share.rows for one in means),
            *(self._flat(one) * self._processes.is_first for one in others),
        ]
        whole = torch.cat(parts)
        self._processes.add(whole)
        pieces = iter(torch.split(whole, [len(part) for part in parts]))
        failures, rows, weight, loss = next(pieces)
        if failures:
            return None
        self._require_even(int(rows))
        for p, count, piece in zip(self._trained, next(pieces).tolist(), pieces, strict=False):
            if count:  # what no process used keeps no gradient: a step of zeros would still move it
                p.grad = _as_shaped(piece.div_(weight).to(p.dtype), p)
        for one, piece in zip(means, pieces, strict=False):
            one.copy_((piece / rows).view_as(one))
        for one, piece in zip(others, pieces, strict=False):
            one.copy_(piece.view_as(one))
        mean: Tensor = loss / weight
        return mean

    def _buffers(self) -> tuple[list[Tensor], list[Tensor]]:
        """Running statistics of norms that are moved by a forward pass; other buffers of numbers."""
        norms = [part for part in self._model.modules() if isinstance(part, _NormBase)]
        moving = [(one.running_mean, one.running_var) for one in norms if one.training]
        still = [(one.running_mean, one.running_var) for one in norms if not one.training]
        means = [one for one in itertools.chain(*moving) if one is not None]
        known = {id(one) for one in itertools.chain(means, *still)}
        buffers = [one for one in self._model.buffers() if one.is_floating_point()]
        return means, [one for one in buffers if id(one) not in known]

    def _flat(self, value: Tensor) -> Tensor:
        return value.reshape(-1).to(self._dtype)

    def _require_even(self, rows: int) -> None:
        world_size = self._processes.world_size
        if self.weigh.needs_even and rows % world_size:
            raise UsageError(
                f"{world_size} processes take uneven shares of {rows} pictures, and the loss gives one number for "
                "each share, which cannot be added up exactly",
                hint="Return one number per picture (reduction='none'), or make batch_size a multiple of "
                f"{world_size}.",
            )


def _in_memory(gradient: Tensor, p: Tensor) -> Tensor:
    """A gradient with its dimensions in the order in which the parameter lies in memory: flat, it is no copy."""
    return gradient.permute(0, 2, 3, 1) if _has_channels_last(p) else gradient


def _as_shaped(flat: Tensor, p: Tensor) -> Tensor:
    """The other way round."""
    if not _has_channels_last(p):
        return flat.view_as(p)
    count, channels, height, width = p.shape
    return flat.view(count, height, width, channels).permute(0, 3, 1, 2)


def _has_channels_last(p: Tensor) -> bool:
    return p.ndim == 4 and not p.is_contiguous() and p.is_contiguous(memory_format=torch.channels_last)
