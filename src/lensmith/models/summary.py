"""`summary`: the layers of a network, output shapes and parameter counts; says which shapes are wrong."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lensmith.errors import UsageError
from lensmith.models.probe import place_of, probe

_BATCH = 2
"""The fewest pictures that show whether a net keeps them apart."""


@dataclass(frozen=True)
class Layer:
    """A module that has no parts, or weights of its own.

    shape: of its first output, pictures first; () where its forward was not called. parameters: its own,
    without those of its parts; what several layers share counts at the first.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True)
class Summary:
    """What a network consists of. `str` gives a table; a notebook shows one.

    input_shape: of one picture. output_shape: of the answers for one picture. total: all parameters, each
    once; trainable: those that ask for a gradient.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    total: int
    trainable: int

    def __str__(self) -> str:
        rows = [("layer", "type", "output", "parameters"), *self._rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{name:{widths[0]}}  {kind:{widths[1]}}  {shape:{widths[2]}}  {count:>{widths[3]}}".rstrip()
            for name, kind, shape, count in rows
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:], rule, self._totals()])

    def _repr_html_(self) -> str:
        cells = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        head = "".join(f"<th>{word}</th>" for word in ("layer", "type", "output", "parameters"))
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"
            f"<p>{html.escape(self._totals())}</p>"
        )

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [
            (
                layer.name,
                layer.kind,
                f"[N{''.join(f', {n}' for n in layer.shape[1:])}]" if layer.shape else "",
                f"{layer.parameters:,}",
            )
            for layer in self.layers
        ]

    def _totals(self) -> str:
        shapes = f"{list(self.input_shape)} -> {list(self.output_shape)}"
        return f"{self.total:,} parameters, {self.trainable:,} of them trainable; {shapes} for one picture"


def summary(model: nn.Module, input_shape: tuple[int, ...] = (3, 32, 32)) -> Summary:
    """The layers of `model` in the order in which they run, on pictures of `input_shape` [C, H, W].

    The network runs once, in eval mode on two black pictures, and is left as it was. Raises `UsageError`
    that names the layer where that fails, the size that a `Linear` should have, and a network that does
    not give one row per picture.
    """
    device, dtype = place_of(model)
    images = torch.zeros((_BATCH, *input_shape), device=device, dtype=dtype)
    shapes: dict[str, tuple[int, ...]] = {}

    def check(name: str, module: nn.Module, given: Any) -> None:
        if isinstance(module, nn.Linear) and isinstance(given, Tensor):
            _check_linear(name, module, given)

    def note(name: str, module: nn.Module, output: Any) -> None:
        shapes.setdefault(name, tuple(output.shape) if isinstance(output, Tensor) else ())

    output = probe(model, images, before=check, after=note)
    rows = _rows_of(output)
    if rows != _BATCH:
        raise _mixes(rows, _BATCH, f"It gives {list(output.shape)} for {_BATCH} pictures.")
    return Summary(
        _layers(model, shapes),
        tuple(input_shape),
        tuple(output.shape[1:]) if isinstance(output, Tensor) else (),
        _count(model.parameters()),
        _count(p for p in model.parameters() if p.requires_grad),
    )


def _layers(model: nn.Module, shapes: dict[str, tuple[int, ...]]) -> tuple[Layer, ...]:
    counted: set[Tensor] = set()
    layers = {}
    for name, module in model.named_modules():
        name = name or type(model).__name__
        own = set(module.parameters(recurse=False)) - counted
        counted |= own
        if own or not list(module.children()):
            layers[name] = Layer(name, type(module).__name__, shapes.get(name, ()), _count(own))
    order = {name: place for place, name in enumerate(shapes)}
    return tuple(sorted(layers.values(), key=lambda layer: order.get(layer.name, len(order))))


def _count(parameters: Iterable[nn.Parameter]) -> int:
    """How many numbers; a lazy layer that did not run has none yet."""
    return sum(p.numel() for p in parameters if not is_lazy(p))


def _check_linear(name: str, layer: nn.Linear, given: Tensor) -> None:
    """Say what is wrong with a `Linear` that the multiplication would refuse."""
    wanted, got = layer.in_features, given.shape[-1]
    if got == wanted or wanted == 0:  # a lazy layer takes what comes
        return
    each = given.numel() // _BATCH
    pictures = wanted // each if each and wanted % each == 0 else 0
    right = f"{name} should be Linear({each}, {layer.out_features})"
    if given.ndim == 1 or given.shape[0] != _BATCH:
        # The batch was flattened before this layer.
        raise _mixes(1, max(pictures, _BATCH), f"{right}: it has in_features={wanted}.")
    if given.ndim > 2 and pictures > 1:
        # It fits a whole batch that somebody flattened, such as 64 x 3 x 32 x 32 = 196608.
        raise _mixes(
            1,
            pictures,
            f"in_features={wanted} is {pictures} pictures of {each}; flattened by picture, {right}.",
        )
    if given.ndim > 2 and pictures == 1:
        raise UsageError(
            f"{name} gets {list(given.shape)} where it needs rows of {wanted}",
            hint=f"Flatten each picture first: flatten(1), or nn.Flatten() before {name}.",
        )
    raise UsageError(
        f"{name} is Linear({wanted}, {layer.out_features}) and gets {got} features per picture",
        hint=f"Make it Linear({got}, {layer.out_features}).",
    )


def _mixes(rows: int, pictures: int, hint: str) -> UsageError:
    many = f"{rows} row{'s' if rows != 1 else ''} for {pictures}"
    return UsageError(f"your net mixes the pictures of a batch: {many}; use flatten(1)", hint=hint)


def _rows_of(output: Any) -> int:
    """How many pictures an output speaks of; one number for each is a row too."""
    if not isinstance(output, Tensor):
        return _BATCH
    if output.ndim < 2:
        return _BATCH if tuple(output.shape) == (_BATCH,) else 1
    return int(output.shape[0])
