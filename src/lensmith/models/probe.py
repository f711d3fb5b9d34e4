"""One run through a network with a look at every module, after which the network is as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lensmith.errors import LensmithError, UsageError

Look = Callable[[str, nn.Module, Any], None]
"""`(name, module, value)`: the first input before a module runs, or its output after."""


def probe(model: nn.Module, images: Tensor, *, before: Look | None = None, after: Look | None = None) -> Any:
    """The output for `images` [N, C, H, W] in eval mode, without gradients, with a look at each module.

    Modes, hooks and the random numbers are as before when it returns. Raises `UsageError` that names the
    layer where the run failed.
    """
    names = {module: name or type(model).__name__ for name, module in model.named_modules()}
    running: list[nn.Module] = []

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        running.append(module)
        if before and inputs:
            before(names[module], module, inputs[0])

    def leave(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        running.pop()
        if after:
            after(names[module], module, output)

    with contextlib.ExitStack() as stack:
        stack.enter_context(_evaluating(model))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        for module in names:
            stack.callback(module.register_forward_pre_hook(enter).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        try:
            with torch.no_grad():
                return model(images)
        except LensmithError:
            raise
        except Exception as error:
            where = names[running[-1]] if running else type(model).__name__
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UsageError(
                f"your net fails at {where} on pictures of {list(images.shape[1:])}: {reason}",
                hint=f"{where} is {running[-1]}" if running and not list(running[-1].children()) else "",
            ) from error


def takes_channels_last(model: nn.Module, images: Tensor) -> bool:
    """Whether a network runs on maps whose channels lie last: `x.view(len(x), -1)` does not."""
    probe(model, images)
    model.to(memory_format=torch.channels_last)
    try:
        probe(model, images.contiguous(memory_format=torch.channels_last))
    except UsageError:
        return False
    finally:
        model.to(memory_format=torch.contiguous_format)
    return True


def place_of(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where the weights of a network are, and their type; a network without any is on the CPU in float32."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
