"""Batches of pictures that fit neither memory nor disk: read from shards, decoded ahead, forgotten."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Changes, generator_of, laid_out, stream_seed
from lensmith.batches.growth import Growth
from lensmith.batches.mixing import Mixing
from lensmith.data.contents import Contents
from lensmith.data.dataset import ImageDataset
from lensmith.data.target_array import target_array
from lensmith.data.undecoded import Undecoded
from lensmith.errors import DataError, UsageError
from lensmith.machine.limits import cores
from lensmith.pictures.decode import Pixels
from lensmith.pictures.preprocess import Preprocess
from lensmith.pictures.resample import resized
from lensmith.shards.member import Member
from lensmith.types import Batch

Rows = NDArray[np.int64]

_BLOCK = 2 << 20
"""Bytes of pixels that a thread decodes in one go, about."""
_AHEAD = 2
"""Batches decoded ahead of the one that is asked for."""


@dataclass(frozen=True)
class Streamed:
    """`batches(epoch)` iterates one pass, `batches(epoch, first)` begins with the batch of that number; nothing
    before it is read or decoded. The same seed, epoch, rank and world size give the same batches.

    pixels: of pictures in shards, before windows of the size of `preprocess` are cut out of them; targets: [N] or
    [N, outputs]; batch_size: of each process. In each pass the shards are put into an order that is drawn anew, and
    each process reads an equal part of them, one after the other; within it pictures change places with others that
    are at most `buffer` further on, which is what it keeps in memory (as files, not decoded). All processes together
    give each picture once, but for the ragged end, which is left out unless it is the only batch. What is done to a
    picture is what `batches.Batches` does to it. One that cannot be read is missing in its batch, and is in `reasons`
    from then on, by its row.
    """

    pixels: Undecoded
    targets: Tensor
    preprocess: Preprocess
    batch_size: int
    augment: Augment = field(default_factory=Augment)
    seed: int = 0
    layout: str = "channels_last"
    mixing: Mixing = field(default_factory=Mixing)
    growth: Growth = field(default_factory=Growth)
    part: tuple[int, int] = (0, 1)
    """Rank and world size."""
    buffer: int = 2048
    rows: Tensor | None = None
    """int64, which of them take part, in the order of the data; all if not given."""
    reasons: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        count = len(self.pixels) if self.rows is None else len(self.rows)
        return max(1, count // (self.batch_size * self.part[1]))

    def __call__(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of one pass, the next ones being decoded meanwhile. Raises `DataError` where a shard cannot be
        read, or no picture of a batch."""
        generator = generator_of(self.seed, epoch)
        count = len(self.pixels) if self.rows is None else len(self.rows)
        torch.randperm(count, generator=generator)  # an order that only pictures at hand can have
        stored = len(self.pixels), self.pixels.preprocess.size
        changes = Changes(self.augment, self.preprocess, stored, (self.seed, epoch), generator)
        device, rank = self.targets.device, self.part[0]
        for step, (rows, block) in enumerate(self._decoded(self._order(epoch), first), first):
            index = torch.from_numpy(rows)
            pixels = changes.cut_block(torch.from_numpy(block).to(device), index)
            size = self.growth.size_at(epoch + step / len(self), self.preprocess.size)
            images = changes.values(resized(pixels, size), index)
            mixing = f"{self.seed} {epoch} mixing {step}" + (f" {rank}" if rank else "")
            images, targets = self.mixing.mixed(images, self.targets[index.to(device)], stream_seed(mixing))
            yield Batch(
                laid_out(images, self.layout), targets, torch.ones(len(index), dtype=torch.bool), index
            )

    def work(self, step: int) -> float:
        """As that of `batches.Batches`."""
        full = self.preprocess.size
        height, width = self.growth.size_at((step - 1) / len(self), full)
        return height * width / (full[0] * full[1])

    def _order(self, epoch: int) -> tuple[Rows, Rows]:
        """The rows of this process as they are read, shard after shard, and the places among them in the order in
        which they are given."""
        stream = self._dealt(epoch)
        draws = torch.rand(len(stream), generator=generator_of(self.seed, epoch, f"order {self.part[0]}"))
        # Who waits for up to `buffer` others to pass is passed by no more of them than that.
        waits = np.arange(len(stream)) + draws.numpy().astype(np.float64) * self.buffer
        return stream, np.argsort(waits, kind="stable")

    def _dealt(self, epoch: int) -> Rows:
        """The rows of this process, those of a shard together and in its order."""
        rank, world = self.part
        taking_part = np.arange(len(self.pixels)) if self.rows is None else self.rows.numpy()
        bounds = _bounds(self.pixels.data, taking_part)
        drawn = torch.randperm(len(bounds), generator=generator_of(self.seed, epoch, "shards")).tolist()
        stream = np.concatenate([taking_part[slice(*bounds[number])] for number in drawn])
        if len(stream) >= self.batch_size * world:
            stream = stream[: len(self) * self.batch_size * world]
        found: Rows = np.array_split(stream, world)[rank]
        if not len(found):
            raise UsageError(
                f"{self.pixels.data.name}: {len(stream)} pictures for {world} processes",
                hint="Start fewer of them.",
            )
        return found

    def _decoded(self, order: tuple[Rows, Rows], first: int) -> Iterator[tuple[Rows, Pixels]]:
        """Rows and pixels, uint8 [B, H, W, 3], of each batch from `first` on."""
        stream, places = order
        starts = range(first * self.batch_size, max(len(stream), 1), self.batch_size)
        wanted = np.sort(places[starts.start :])
        contents = Contents([self.pixels.data.examples[row] for row in stream[wanted].tolist()])
        place = np.full(len(self.pixels), -1)
        place[stream[wanted]] = np.arange(len(wanted))
        decoder, (height, width) = self.pixels.decoder, self.pixels.preprocess.size
        chunk = max(1, _BLOCK // (3 * height * width))

        def decode(rows: list[int]) -> tuple[Pixels, dict[int, str]]:
            decoded = decoder.block(rows, lambda row: contents.take(int(place[row])))
            assert decoded is not None
            return decoded

        waiting: deque[tuple[Rows, list[Future[tuple[Pixels, dict[int, str]]]]]] = deque()
        with contextlib.ExitStack() as ends:
            pool = ThreadPoolExecutor(cores())
            ends.callback(pool.shutdown, cancel_futures=True)
            ends.callback(contents.close)
            for start in starts:
                rows = stream[places[start : start + self.batch_size]]
                parts = [rows[at : at + chunk].tolist() for at in range(0, len(rows), chunk)]
                waiting.append((rows, [pool.submit(decode, part) for part in parts]))
                if len(waiting) > _AHEAD:
                    yield self._whole(*waiting.popleft())
            while waiting:
                yield self._whole(*waiting.popleft())

    def _whole(self, rows: Rows, parts: list[Future[tuple[Pixels, dict[int, str]]]]) -> tuple[Rows, Pixels]:
        """A batch of the parts that it was decoded in, without those that cannot be read."""
        done = [part.result() for part in parts]
        block = done[0][0] if len(done) == 1 else np.concatenate([pixels for pixels, _ in done])
        reasons = {row: reason for _, found in done for row, reason in found.items()}
        if not reasons:
            return rows, block
        self.reasons.update(reasons)
        readable = np.array([row not in reasons for row in rows.tolist()])
        if not readable.any():
            row, reason = next(iter(reasons.items()))
            raise DataError(
                f"{self.pixels.data.name}: no picture of a batch can be read",
                hint=f"The first, {self.pixels.data.examples[row].source}: {reason}.",
            )
        return rows[readable], block[readable]


def stream(
    data: ImageDataset,
    preprocess: Preprocess,
    batch_size: int = 64,
    *,
    augment: Augment | None = None,
    spare: float = 1.15,
    seed: int = 0,
    part: tuple[int, int] = (0, 1),
) -> Streamed:
    """The training pictures in shards as batches for `fit`, however many there are.

    data: such as `load_data("s3://bucket/shards").split("train")`; preprocess: what the network is given; augment:
    mirrored and moved, if not given; spare: how much larger pictures are decoded than the windows that are cut out
    of them, 1 for small ones of one size; part: rank and world size of this process. Raises `UsageError` for
    pictures that lie in no shard.
    """
    for example in data.examples:
        if not isinstance(example.source, Member):
            raise UsageError(
                f"{data.name}: {example.source} lies in no shard",
                hint="lensmith shards DATA DIR writes them.",
            )
    if not len(data):
        raise DataError(f"{data.name}: no pictures")
    if not 0 <= part[0] < part[1] or batch_size < 1:
        raise UsageError(
            f"rank {part[0]} of {part[1]} with batch_size={batch_size} is no part of the pictures"
        )
    stored = preprocess.enlarged(spare) if spare > 1 else preprocess
    targets = torch.from_numpy(target_array(data))
    pixels = Undecoded(data, stored)
    return Streamed(pixels, targets, preprocess, batch_size, augment or Augment(), seed, part=part)


def _bounds(data: ImageDataset, rows: Rows) -> list[tuple[int, int]]:
    """Where among some rows those of each shard begin, and where they end."""
    sources = [data.examples[row].source for row in rows.tolist()]
    shards = [source.shard if isinstance(source, Member) else None for source in sources]
    starts = [at for at in range(len(shards)) if not at or shards[at] is not shards[at - 1]]
    return list(zip(starts, [*starts[1:], len(shards)], strict=True))
