"""Everything that stands before the first step: data, plan, network, batches."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lensmith.batches.augment import Augment
from lensmith.batches.batches import Batches, normalised
from lensmith.batches.growth import Growth
from lensmith.batches.mixing import Mixing
from lensmith.batches.streamed import Streamed
from lensmith.data.dataset import ImageDataset
from lensmith.data.decisions import Decided
from lensmith.data.splitting import Roles, refuse_hopeless
from lensmith.data.target_array import target_array
from lensmith.data.undecoded import Undecoded
from lensmith.errors import PictureError, UsageError
from lensmith.fitting.losses import make_loss, require_soft_targets
from lensmith.fitting.muon import Muon
from lensmith.fitting.optim import SCHEDULES, make_optimizer, warmed_up
from lensmith.machine.processes import ALONE, Processes
from lensmith.machine.runtime import find_runtime
from lensmith.models.build import build
from lensmith.models.convnet import ConvNet
from lensmith.models.heads import find_head
from lensmith.models.pretrained import load_pretrained
from lensmith.models.probe import place_of, takes_channels_last
from lensmith.models.still import hold_still
from lensmith.models.taking_over import Taken
from lensmith.pictures.preprocess import Preprocess
from lensmith.planning.clock import Clock
from lensmith.planning.plan import Plan, choose, head_alone
from lensmith.planning.timing import (
    Sized,
    Spending,
    Trial,
    choose_arithmetic,
    choose_size,
    size_features,
    size_training,
)
from lensmith.runs.fields import OWN
from lensmith.runs.recipe import Recipe
from lensmith.runs.user_code import is_in_file
from lensmith.store.store import Column, open_column
from lensmith.training.parts import Parts, named_preprocess, require_outputs, require_sizes
from lensmith.training.starting_point import StartingPoint
from lensmith.training.streaming import (
    is_streamed,
    seconds_a_picture,
    share_of_batch,
    store_or_stream,
    undecoded_column,
)
from lensmith.types import Event, Schedule, Task

_SPARE = 1.15
"""Training pictures are stored this much larger than the input, so that windows can move in them."""

_WHITENED = 2000
"""Training pictures from which the first layer of our own network is computed."""


@dataclass(frozen=True)
class Prepared:
    """What a training starts from.

    seconds: that it will take about; ends: by when (time.perf_counter) it should be over, where a budget says.
    weights: where the network's first weights come from, as facts; choice: the pictures that choices are made
    on, where the data have a split for that and there is something to choose. allocator: how it was set. start:
    the model that this training goes on from; taken: which of the classes it knew. undecided: the training
    pictures before somebody's decisions on them; decided: what those did.
    processes: that train together.
    """

    data: ImageDataset
    roles: Roles
    plan: Plan
    preprocess: Preprocess
    column: Column
    model: nn.Module
    batches: Batches | Streamed
    loss: Callable[..., Tensor]
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    seconds: float
    ends: float | None = None
    weights: dict[str, Any] = field(default_factory=dict)
    choice: Column | None = None
    allocator: str = ""
    start: StartingPoint | None = None
    taken: Taken | None = None
    undecided: ImageDataset | None = None
    decided: Decided | None = None
    processes: Processes = ALONE


def prepare(
    data: ImageDataset,
    recipe: Recipe,
    roles: Roles,
    clock: Clock,
    parts: Parts,
    reasons: dict[str, str] | None = None,
    column: Column | None = None,
    processes: Processes = ALONE,
) -> Generator[Event, None, Prepared]:
    """Choose what is open, decode the training column, build the network. reasons: of what was chosen before;
    column: of the training pictures, where it is there; processes: that will train together."""
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    plan = choose(recipe, roles.train, find_runtime(recipe.device), len(roles.held_out), reasons)
    recipe = plan.recipe
    torch.manual_seed(recipe.seed)
    model, weights, taken = _begun(recipe, parts, roles.train.classes)
    preprocess = parts.preprocess or named_preprocess(recipe, weights)
    plan = _choose_layout(plan, model, preprocess, len(roles.train.classes))
    plan = store_or_stream(plan, roles.train, _stored_as(plan.recipe, roles.train, preprocess))
    recipe = plan.recipe
    column, choice, rest = yield from _decoded(recipe, roles, preprocess, column)
    train = column.matching(roles.train)
    refuse_hopeless(train, roles.train)
    targets = _on(target_array(train), recipe)
    if parts.model is None and parts.from_run is None:
        _start_from_mean(model, targets, train.task)
    batches = _batches(column, targets, preprocess, recipe, parts, len(train.classes), processes)

    def made(plan: Plan) -> Trial:
        return _made_anew(plan, batches, parts, targets, train)

    trial = _trial(model, plan, batches, parts, targets)
    plan = plan.choosing("the optimizer's own", lr=trial.optimizer.param_groups[0]["lr"])
    sized, trial = _sized(plan, trial, made, Spending(clock, rest, len(roles.held_out)))
    decided = sized.plan.recipe
    if isinstance(trial.optimizer, Muon):
        trial.optimizer.use_low_precision(decided.precision == "bfloat16")
    growth = Growth(decided.small_first or 0.0, decided.epochs or 0.0)
    return Prepared(
        data=data,
        roles=roles,
        plan=sized.plan,
        preprocess=preprocess,
        column=column,
        model=trial.model,
        batches=replace(trial.batches, growth=growth),
        loss=trial.loss,
        optimizer=trial.optimizer,
        schedule=warmed_up(parts.schedule or SCHEDULES[recipe.schedule or "constant"], recipe.warmup),
        seconds=sized.seconds,
        ends=sized.ends,
        weights=weights,
        choice=choice,
        start=parts.from_run,
        taken=taken,
        processes=processes,
    )


def _begun(
    recipe: Recipe, parts: Parts, classes: list[str]
) -> tuple[nn.Module, dict[str, Any], Taken | None]:
    """The network, the facts of its first weights, and what of them a run before knew."""
    model, weights = _network(recipe, max(1, len(classes)), parts.model)
    if parts.from_run is None:
        return model, weights, None
    taken, weights = parts.from_run.put_into(model, classes)
    return model, weights, taken


def _made_anew(
    plan: Plan, batches: Batches | Streamed, parts: Parts, targets: Tensor, train: ImageDataset
) -> Trial:
    """The trial of a plan that has another network than the one before."""
    torch.manual_seed(plan.recipe.seed)
    sized, _ = _network(plan.recipe, max(1, len(train.classes)), None)
    if plan.recipe.layout == "channels_last":
        sized.to(memory_format=torch.channels_last)
    _start_from_mean(sized, targets, train.task)
    return _trial(sized, plan, replace(batches, batch_size=plan.recipe.batch_size or 1), parts, targets)


def _decoded(
    recipe: Recipe, roles: Roles, preprocess: Preprocess, column: Column | None
) -> Generator[Event, None, tuple[Column, Column | None, float]]:
    """The training pictures, those for choices, and the seconds that the held-out ones will take about."""
    began = time.perf_counter()
    if column is None:
        spare = _stored_as(recipe, roles.train, preprocess)
        if is_streamed(recipe, roles.train, spare):
            column = undecoded_column(roles.train, spare)
            rest = seconds_a_picture(column) * len(roles.held_out)
            return column, (yield from _for_choices(recipe, roles, preprocess)), rest
        column = yield from open_column(roles.train, spare, store=recipe.store)
    rest = (time.perf_counter() - began) * len(roles.held_out) / len(roles.train)
    return column, (yield from _for_choices(recipe, roles, preprocess)), rest


def _for_choices(
    recipe: Recipe, roles: Roles, preprocess: Preprocess
) -> Generator[Event, None, Column | None]:
    if roles.choice is None or recipe.freeze:
        return None
    return (yield from open_column(roles.choice, preprocess, store=recipe.store))


def _stored_as(recipe: Recipe, train: ImageDataset, preprocess: Preprocess) -> Preprocess:
    """A head on features sees pictures as measuring will; a network that starts anew sees windows that move."""
    by_head = recipe.freeze or (recipe.pretrained and recipe.augment is None)
    return preprocess if by_head or _is_native(train, preprocess) else preprocess.enlarged(_SPARE)


def _sized(
    plan: Plan, trial: Trial, made: Callable[[Plan], Trial], spending: Spending
) -> tuple[Sized, Trial]:
    """What is chosen by timing; the trial is made anew where another network is chosen."""
    if plan.recipe.freeze:
        return size_features(plan, trial), trial
    threads = torch.get_num_threads()
    plan = choose_arithmetic(plan, trial)
    before = plan.recipe.model
    if before == "convnet" and plan.recipe.from_run is None:
        plan = choose_size(plan, trial, spending)
    # A first layer that is computed from pictures has other bits with other threads, and a repeat has these.
    is_computed = isinstance(trial.model, ConvNet) and plan.recipe.from_run is None
    if plan.recipe.model != before or (is_computed and threads != torch.get_num_threads()):
        trial = made(plan)
    try:
        return size_training(plan, trial, spending), trial
    except UsageError as short:
        return size_features(head_alone(plan, short), trial), trial


def _trial(model: nn.Module, plan: Plan, batches: Batches | Streamed, parts: Parts, targets: Tensor) -> Trial:
    """What a step is made of; the first layer of our own network is computed from pictures."""
    if isinstance(model, ConvNet) and plan.recipe.from_run is None:  # what goes on has one
        model.whiten(_some(batches, plan.recipe.seed))
    if plan.recipe.small_first:
        require_sizes(model, batches.preprocess.size)
    optimizer = make_optimizer(model, plan.recipe, parts.optimizer)
    return Trial(model, optimizer, batches, parts.loss or make_loss(plan.recipe, targets))


def _batches(
    column: Column,
    targets: Tensor,
    preprocess: Preprocess,
    recipe: Recipe,
    parts: Parts,
    classes: int,
    processes: Processes,
) -> Batches | Streamed:
    assert recipe.batch_size
    require_soft_targets(recipe, parts.loss, classes)
    pixels: Any = column.pixels
    augment = Augment(
        bool(recipe.flip), recipe.shift or 0.0, parts.augment, recipe.crop, recipe.colour, recipe.cutout
    )
    mixing = Mixing(recipe.mixup, recipe.cutmix, classes)
    layout = recipe.layout or ""
    if isinstance(pixels, Undecoded):
        part = processes.rank, processes.world_size
        batch_size = share_of_batch(recipe.batch_size, processes)
        streamed = Streamed(pixels, targets, preprocess, batch_size, augment, recipe.seed, layout, mixing)
        return replace(streamed, part=part)
    pixels = torch.from_numpy(pixels).to(recipe.device)
    made = Batches(pixels, targets, preprocess, recipe.batch_size, augment, recipe.seed, layout, mixing)
    return replace(made, processes=processes)


def _some(batches: Batches | Streamed, seed: int) -> Tensor:
    """The centres of some training pictures, as the network sees them."""
    order = torch.randperm(len(batches.pixels), generator=torch.Generator().manual_seed(seed))
    height, width = batches.preprocess.size
    top, left = (batches.pixels.shape[1] - height) // 2, (batches.pixels.shape[2] - width) // 2
    if isinstance(batches, Streamed):
        chosen = torch.from_numpy(batches.pixels.readable(order[:_WHITENED].numpy())[0]).to(
            batches.targets.device
        )
    else:
        chosen = batches.pixels[order[:_WHITENED].to(batches.pixels.device)]
    return normalised(chosen[:, top : top + height, left : left + width], batches.preprocess)


def _network(recipe: Recipe, outputs: int, own: nn.Module | None) -> tuple[nn.Module, dict[str, Any]]:
    assert recipe.model and recipe.image_size
    if own is not None:
        model, weights = own, dict[str, Any]()
    elif recipe.pretrained and recipe.from_run is None:
        model, weights = load_pretrained(recipe.model, outputs, recipe.image_size, recipe.weights)
    else:
        model, weights = build(recipe.model, outputs, recipe.image_size), {}
    if recipe.pretrained and not recipe.freeze:
        hold_still(model)
    return model.to(recipe.device), weights


def _choose_layout(plan: Plan, model: nn.Module, preprocess: Preprocess, classes: int) -> Plan:
    """Pictures come with their channels last, and convolutions are fastest where weights do too."""
    reason = "pictures lie so, and convolutions are fastest so"
    layout = "channels_last"
    if plan.recipe.model == OWN or is_in_file(plan.recipe.model or ""):
        require_outputs(model, classes, preprocess)
        device, dtype = place_of(model)
        if not takes_channels_last(model, torch.zeros(2, 3, *preprocess.size, device=device, dtype=dtype)):
            layout, reason = "contiguous", "the network takes maps as they lie in rows"
    plan = plan.choosing(reason, layout=layout)
    if plan.recipe.layout == "channels_last":
        model.to(memory_format=torch.channels_last)
    return plan


def _on(targets: NDArray[Any], recipe: Recipe) -> Tensor:
    return torch.from_numpy(targets).to(recipe.device)


def _start_from_mean(model: nn.Module, targets: Tensor, task: Task) -> None:
    """A network of numbers starts at the mean, its first guesses as far apart as the targets are."""
    if task != "regression":
        return
    with contextlib.suppress(UsageError):  # a network without such a layer finds its way from zero
        _, head = find_head(model)
        spread = targets.std() if len(targets) > 1 else torch.tensor(1.0)
        with torch.no_grad():
            head.weight.mul_(spread)
            if head.bias is not None:
                head.bias.fill_(float(targets.mean()))


def _is_native(train: ImageDataset, preprocess: Preprocess) -> bool:
    for index in range(len(train)):
        with contextlib.suppress(PictureError):  # the store says which and why
            return train.pixels(index).shape[:2] == preprocess.size
    return False
