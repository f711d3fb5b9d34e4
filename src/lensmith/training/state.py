"""A nested state, of an optimizer or a schedule, as JSON and named tensors, and back. No pickle.

Numbers, words, lists, tuples and dictionaries with keys of any such kind stay what they are; a tensor becomes the
name of one among `tensors`, with the order in which it lay in memory: sums over it then round as before.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_PLAIN = (type(None), bool, int, float, str)


def unfold(value: Any, tensors: dict[str, Tensor], place: str) -> Any:
    """The JSON form of `value`; its tensors are copied into `tensors`, on the CPU, under names that begin with
    `place`. Raises `TypeError` naming what cannot be kept."""
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized:
            raise TypeError(f"{place}: a tensor of layout {value.layout} cannot be kept")
        tensors[place] = value.detach().to("cpu", copy=True)
        return {"tensor": place, "strides": list(value.stride())}
    if type(value) in _PLAIN:
        return value
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [unfold(one, tensors, f"{place}.{index}") for index, one in enumerate(value)]}
    if isinstance(value, dict):
        pairs = [
            [unfold(key, tensors, f"{place}.key"), unfold(one, tensors, f"{place}.{key}")]
            for key, one in value.items()
        ]
        return {"dict": pairs}
    raise TypeError(f"{place}: a {type(value).__name__} cannot be kept")


def fold(form: Any, tensors: dict[str, Tensor]) -> Any:
    """What was unfolded. Raises `KeyError` for a tensor that is missing, `ValueError` for no such form."""
    if not isinstance(form, dict):
        return form
    if "tensor" in form:
        return _as_it_lay(tensors[form["tensor"]], form["strides"])
    (kind, parts), *rest = form.items()
    if rest or kind not in ("list", "tuple", "dict"):
        raise ValueError(f"{sorted(form)} is no form of a state")
    if kind == "dict":
        return {fold(key, tensors): fold(one, tensors) for key, one in parts}
    folded = [fold(one, tensors) for one in parts]
    return tuple(folded) if kind == "tuple" else folded


def _as_it_lay(tensor: Tensor, strides: list[int]) -> Tensor:
    if list(tensor.stride()) == strides or 0 in strides:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)
