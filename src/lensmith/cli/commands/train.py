"""`lensmith train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lensmith.cli import BEGAN, several, show
from lensmith.cli.detached import refuse_beside, start_detached
from lensmith.cli.progress import follow
from lensmith.cli.trained import show_end, summary
from lensmith.runs.recipe import Recipe, named_recipe
from lensmith.runs.recipe_words import field_help, parse_words

_FIELDS = "\n".join(f"  {name:<16} {text} [{default}]" for name, default, text in field_help())

HELP = f"""Train, measure, report.

DATA is a folder with a folder per class, with train/ val/ test/ on top or not, or the name digits.

Examples:

\b
  lensmith train photos/
  lensmith train photos/ --budget 2m lr=0.01 flip=false

\b
Recipe fields, written bare as name=value [what is used otherwise]:
{_FIELDS}
"""


def train(
    context: typer.Context,
    data: Annotated[str, typer.Argument(help="What to learn from.", metavar="DATA", show_default=False)],
    words: Annotated[
        list[str] | None, typer.Argument(help="Recipe fields.", metavar="KEY=VALUE", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="The network; as model=NAME.")] = None,
    task: Annotated[str | None, typer.Option(help="classification; as task=NAME.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time to spend, such as 90s or 5m.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the training pictures.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="tutorial, transfer, scratch, fast, or a recipe.toml.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's directory [runs/NAME-001].")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides every draw.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Go on without this terminal; see lensmith status.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Train, measure, report."""
    options: dict[str, Any] = {"model": model, "task": task, "budget": budget, "epochs": epochs}
    options |= {"seed": seed, "device": device}
    chosen = _merged(parse_words(words or []), {k: v for k, v in options.items() if v is not None})
    base = named_recipe(recipe) if recipe is not None else Recipe()
    wanted = base.varied(**chosen)
    from lensmith.cli.torch import require_torch, spare_the_compiler

    require_torch("train")
    if detach:
        refuse_beside("--dry-run", dry_run)
        start_detached(context.obj, as_json)
        return
    several.start(wanted.processes, dry_run=dry_run)
    spare_the_compiler()
    from lensmith.planning.clock import Clock
    from lensmith.runs.repetition import run_of_recipe
    from lensmith.training.job import run_job
    from lensmith.training.start import prepare_job

    if dry_run:
        prepared = follow(prepare_job(data, wanted, Clock(BEGAN)))
        _show_plan(prepared.plan.recipe, prepared.plan.reasons, as_json)
        return
    run = follow(run_job(data, wanted, out=out, began=BEGAN, repeats=run_of_recipe(recipe or "")))
    several.end_unless_first()
    facts = run.directory.facts()
    if as_json:
        show.data(summary(run, facts))
    show_end(run, facts)


train.__doc__ = HELP


def _merged(words: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    from lensmith.errors import UsageError

    for name in words:
        if name in options and words[name] != options[name]:
            raise UsageError(f"{name} is given twice: --{name} {options[name]} and {name}={words[name]}")
    return words | options


def _show_plan(recipe: Recipe, reasons: dict[str, str], as_json: bool) -> None:
    import dataclasses

    if as_json:
        show.data({"recipe": dataclasses.asdict(recipe), "choices": reasons})
        return
    for row in recipe.as_toml().splitlines():
        name = row.split(" = ")[0]
        show.line(f"{row:<28}# {reasons[name]}" if name in reasons else row)
