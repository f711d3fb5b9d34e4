"""What decisions on pictures were good for: the same last layer learns without them too, and both answer the same
pictures."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
import torch

from lensmith.bundle.measure import Measurement
from lensmith.data.bonds import bond_numbers
from lensmith.data.target_array import target_array
from lensmith.evaluation.comparison import Comparison, Measured, compare
from lensmith.features.linear import LinearHead
from lensmith.models.heads import find_head
from lensmith.store.store import decode_column, open_column
from lensmith.training.choosing import outputs_on
from lensmith.training.prepare import Prepared
from lensmith.training.transfer import Seen, put_head, see
from lensmith.types import Event


def head_without(prepared: Prepared, seen: Seen) -> Generator[Event, None, LinearHead]:
    """The head that learns from the pictures as they were before decisions; it is left in the network.

    seen: of the training pictures as they were decided on. Those that were dropped are looked at now.
    """
    before = prepared.undecided
    assert before is not None
    used = prepared.column.matching(prepared.roles.train)
    kept = {id(example.source) for example in prepared.roles.train.examples}
    there = {id(example.source) for example in used.examples}
    # In the same order as what is used: what a decision changes is the label alone.
    labels = target_array(before.part(lambda example: id(example.source) in there))
    parts = [replace(seen, targets=labels[seen.pictures])]
    everything = used
    dropped = before.part(lambda example: id(example.source) not in kept)
    column = yield from decode_column(dropped, prepared.preprocess)
    if len(column.rows):
        readable = column.matching(dropped)
        batches = replace(prepared.batches, targets=torch.from_numpy(target_array(readable)))
        roles = replace(prepared.roles, train=dropped)
        there_too = replace(prepared, column=column, roles=roles, batches=batches)
        again = yield from see(there_too)
        parts.append(replace(again, pictures=again.pictures + len(used)))
        everything = used.with_examples([*used.examples, *readable.examples])
    whole = Seen(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.pictures for part in parts]),
        bond_numbers(everything),
    )
    return put_head(prepared, whole)


def compare_without(
    prepared: Prepared, without: LinearHead, measured: Measurement
) -> Generator[Event, None, Comparison]:
    """The model that was measured beside the one with that head, on the same held-out pictures, labelled as they
    are now."""
    _, head = find_head(prepared.model)
    kept = head.weight.detach().clone(), None if head.bias is None else head.bias.detach().clone()
    column = yield from open_column(
        measured.data, prepared.preprocess, store=prepared.plan.recipe.store and not measured.skipped
    )
    with torch.no_grad():
        head.weight.copy_(without.weight)
        if head.bias is not None:
            head.bias.copy_(without.bias)
        outputs, _ = outputs_on(prepared, column, measured.data)
        head.weight.copy_(kept[0])
        if head.bias is not None and kept[1] is not None:
            head.bias.copy_(kept[1])
    task, classes, predictions = prepared.data.task, measured.report.classes, measured.predictions
    sides = (("with the decisions", predictions), ("without them", replace(predictions, logits=outputs)))
    (comparison,) = compare([Measured(name, task, classes, said) for name, said in sides])
    return comparison
