"""Several processes that work on one thing: torchrun starts them, and each knows its place among them.

What they compute together goes through torch.distributed's collectives, which give up after `patience()`. What the
first alone says, after however long, goes through the store that torchrun keeps for them.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lensmith.errors import LensmithError, ProcessLost, UsageError
from lensmith.machine.meeting import answer, meet, patience, wait
from lensmith.machine.runtime import place_in_world

if TYPE_CHECKING:
    import torch
    from torch import nn

Value = TypeVar("Value")
_HEARD = 5.0
"""Seconds in which a process that fails says why, before the others speak of it."""
_TOLD = "told"


@dataclass(frozen=True)
class Processes:
    """rank of world_size; 0 of 1 stands alone, has no store and waits for nobody.

    All have to call the same methods in the same order. Each raises `ProcessLost` where another one is gone.
    """

    rank: int = 0
    world_size: int = 1
    store: Any = None
    _said: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that decides, writes and talks."""
        return self.rank == 0

    @property
    def are_several(self) -> bool:
        """Whether there is anybody to agree with."""
        return self.world_size > 1

    def share(self, count: int) -> slice:
        """Which of `count` rows are this process's: as many as the others', or one more than the last ones have."""
        least, more = divmod(count, self.world_size)
        start = self.rank * least + min(self.rank, more)
        return slice(start, start + least + (self.rank < more))

    def deals(self, number: int) -> bool:
        """Whether the batch with this number, from 0, is for this process to measure."""
        return number % self.world_size == self.rank

    def agreed(self, value: Value) -> Value:
        """What the first says, on all; of the others the value does not matter. It has to fit into JSON."""
        if not self.are_several:
            return value
        key = f"said/{next(self._said)}"
        with _collective(self):
            if self.is_first:
                self.store.set(key, json.dumps(value))
                return value
            wait(lambda: self.store.check([key]), math.inf)
            said: Value = json.loads(self.store.get(key))
        return said

    def gather_here(self) -> None:
        """Wait until all are here, however long one of them is at something that the others have done or need not
        do: each host decodes pictures for itself."""
        if not self.are_several:
            return
        number = next(self._said)
        with _collective(self):
            self.store.set(f"here/{number}/{self.rank}", "")
            keys = [f"here/{number}/{rank}" for rank in range(self.world_size)]
            wait(lambda: self.store.check(keys), math.inf)

    def sent(self, content: bytes) -> bytes:
        """The first's bytes, on all; of the others they do not matter."""
        if not self.are_several:
            return content
        import torch
        import torch.distributed as dist

        self.gather_here()
        length = self.agreed(len(content))
        whole = np.frombuffer(content, np.uint8) if self.is_first else np.empty(0, np.uint8)
        tensor = torch.from_numpy(whole.copy() if self.is_first else np.empty(length, np.uint8))
        with _collective(self):
            dist.broadcast(tensor, 0)
        return tensor.numpy().tobytes()

    def said_by_each(self, value: Value) -> list[Value]:
        """What each process says, by rank, on all. It has to fit into JSON."""
        if not self.are_several:
            return [value]
        number = next(self._said)
        with _collective(self):
            self.store.set(f"each/{number}/{self.rank}", json.dumps(value))
        self.gather_here()
        with _collective(self):
            return [json.loads(self.store.get(f"each/{number}/{rank}")) for rank in range(self.world_size)]

    def add(self, tensor: torch.Tensor) -> None:
        """Make of a tensor the sum over all processes, in place; equal bits on all."""
        if self.are_several:
            import torch.distributed as dist

            with _collective(self):
                dist.all_reduce(tensor)

    def heard(self, *numbers: int) -> list[int]:
        """The sums over all processes of some whole numbers."""
        if not self.are_several:
            return list(numbers)
        import torch

        said = torch.tensor(numbers, dtype=torch.int64)
        self.add(said)
        return said.tolist()

    def gathered(self, parts: dict[int, NDArray[Any]]) -> list[NDArray[Any]]:
        """Arrays that were computed in shares, by number from 0, of which each process has those that `deals` gave
        it -> all of them, in order. They are alike in everything but their length; equal bits on all."""
        if not self.are_several:
            return [parts[number] for number in sorted(parts)]
        import torch

        self.gather_here()
        like = next(iter(parts.values()), np.empty(0, np.float32))
        shape, kind = self.agreed((like.shape[1:], like.dtype.str))
        most = max(parts, default=-1) + 1
        lengths = torch.zeros(self._largest(most), dtype=torch.int64)
        for number, part in parts.items():
            lengths[number] = len(part)
        self.add(lengths)
        ends = np.cumsum(lengths.numpy())
        whole = np.zeros((int(ends[-1]) if len(ends) else 0, *shape), np.dtype(kind))
        for number, part in parts.items():
            whole[ends[number] - len(part) : ends[number]] = part
        # Bytes, since 0 + -0.0 would be another zero.
        self.add(torch.from_numpy(whole.reshape(-1).view(np.uint8)))
        return np.split(whole, ends[:-1])

    def share_state(self, model: nn.Module) -> None:
        """Give a network the first process's weights and buffers."""
        if not self.are_several:
            return
        import torch
        import torch.distributed as dist

        self.gather_here()
        with _collective(self), torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                plain = tensor.detach().contiguous()
                dist.broadcast(plain, 0)
                tensor.copy_(plain)

    def may_tell(self, error: BaseException) -> bool:
        """Whether this process is the one to say what went wrong: the first that fails. Who merely lost another
        speaks where the other did not."""
        if self.store is None:
            return True
        try:
            return answer(lambda: self._is_first_to_tell(error), 2 * _HEARD)
        except (RuntimeError, OSError):  # the store is gone as well
            return True

    def _is_first_to_tell(self, error: BaseException) -> bool:
        ends = time.monotonic() + _HEARD
        while isinstance(error, ProcessLost) and time.monotonic() < ends:
            if self.store.check([_TOLD]):
                return False
            time.sleep(0.1)
        first: bool = self.store.add(_TOLD, 1) == 1
        return first

    def _largest(self, number: int) -> int:
        import torch
        import torch.distributed as dist

        said = torch.tensor(number, dtype=torch.int64)
        with _collective(self):
            dist.all_reduce(said, dist.ReduceOp.MAX)
        return int(said)


ALONE = Processes()
_joined: list[Processes] = []


def join_processes(device: str = "cpu") -> Processes:
    """Meet the others that torchrun has started; alone without it. device: where this process will compute.

    Raises `ProcessLost` where they do not come.
    """
    if _joined:
        return _joined[0]
    rank, world_size = place_in_world()
    if world_size == 1:
        return ALONE
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    timeout = timedelta(seconds=patience())
    # CPU tensors are spoken of too, whatever the device: what was counted, what was measured.
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    with _collective(Processes(rank, world_size)):
        store, _, _ = next(iter(rendezvous("env://", rank, world_size, timeout=timeout)))
        store = PrefixStore(meet(store, rank, world_size), store)
        if device.startswith("cuda"):
            import torch

            torch.cuda.set_device(device)
        dist.init_process_group(backend, timeout=timeout, store=store, rank=rank, world_size=world_size)
    _joined.append(Processes(rank, world_size, PrefixStore("lensmith", store)))
    return _joined[0]


def leave_processes() -> None:
    """Part from the others in order, at the end of a command; where one of them is gone, so is the group."""
    if _joined:
        import torch.distributed as dist

        _joined.clear()
        dist.destroy_process_group()


def is_first() -> bool:
    """Whether this process is to talk: the first of those that torchrun started, or the only one."""
    return place_in_world()[0] == 0


def may_tell(error: BaseException) -> bool:
    """As `Processes.may_tell`; of those that have not met yet, the first of all speaks where words cannot be used,
    the first of each host of anything else."""
    if _joined:
        return _joined[0].may_tell(error)
    if isinstance(error, UsageError):
        return os.environ.get("RANK", "0") == "0"
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _cause(error: BaseException) -> str:
    """What torch says, without the place in its own sources and its advice."""
    return re.sub(r"\[[^]]*\] ?", "", str(error)).split(". ")[0].splitlines()[0]


class _collective:  # reads as a function, and is cheaper at each step than a generator
    """Errors of torch.distributed as `ProcessLost`."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, LensmithError) or not isinstance(error, RuntimeError | OSError | EOFError):
            return
        rank, world_size = self._processes.rank, self._processes.world_size
        raise ProcessLost(
            f"process {rank + 1} of {world_size} has lost the others ({_cause(error)})",
            hint="One was killed, stands still, or its host cannot be reached any more. torchrun --max-restarts 3 "
            "goes on from the newest checkpoint by itself; lensmith resume RUN does when asked.",
        ) from error
