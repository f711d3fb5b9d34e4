"""The weights of a trained network for one of other classes: its last layer's rows are taken by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lensmith.errors import ModelFileError, UsageError
from lensmith.models.heads import find_head

_COUNT = "num_batches_tracked"


@dataclass(frozen=True)
class Taken:
    """Classes, each in the order of its network: known to both, to the new one alone, to the old one alone."""

    kept: list[str]
    new: list[str]
    dropped: list[str]


def take_over(
    model: nn.Module, state: Mapping[str, Tensor], before: Sequence[str], classes: Sequence[str], source: str
) -> Taken:
    """Put a state into a network of the same kind whose outputs are `classes`; those of the state are `before`.

    Rows of the last layer go by name; a class that is new begins as the mean of the rows that were there. Without
    names (numbers) the layer is taken as it is. Raises `ModelFileError`, which begins with `source`, for weights of
    another network, `UsageError` where classes differ and no last layer is found.
    """
    taken = Taken(
        [name for name in classes if name in before],
        [name for name in classes if name not in before],
        [name for name in before if name not in classes],
    )
    own = model.state_dict()
    head = _head_tensors(model, own) if list(before) != list(classes) else {}
    wanted = {name: tensor for name, tensor in own.items() if not name.endswith(_COUNT) or name in state}
    misfits = [f"it lacks {name}" for name in wanted if name not in state]
    misfits += [f"{name} is not in the network" for name in state if name not in own]
    for name, tensor in wanted.items():
        there = state.get(name)
        rows = (len(before), *tensor.shape[1:]) if name in head else tuple(tensor.shape)
        if there is not None and tuple(there.shape) != rows:
            misfits.append(f"{name} is {list(there.shape)}, not {list(rows)}")
    if misfits:
        more = f" and {len(misfits) - 3} more" if len(misfits) > 3 else ""
        raise ModelFileError(f"{source}: not weights of this network: {'; '.join(misfits[:3])}{more}")
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(_by_name(state[name], before, classes) if name in head else state[name])
    return taken


def _head_tensors(model: nn.Module, own: Mapping[str, Tensor]) -> set[str]:
    try:
        layer, _ = find_head(model)
    except UsageError as error:
        raise UsageError(
            f"{error.message}, and the classes are others than before", hint=error.hint
        ) from error
    return {name for name in own if name.rpartition(".")[0] == layer}


def _by_name(rows: Tensor, before: Sequence[str], classes: Sequence[str]) -> Tensor:
    index = {name: row for row, name in enumerate(before)}
    mean = rows.float().mean(0)
    return torch.stack([rows[index[name]] if name in index else mean for name in classes])
