"""`lensmith sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lensmith.cli import BEGAN, show
from lensmith.cli.progress import follow
from lensmith.runs.fields import seconds_of
from lensmith.runs.recipe import Recipe, named_recipe

if TYPE_CHECKING:
    from lensmith.searching.begin import Begun, Wish
    from lensmith.training.run import Run


def sweep(
    data: Annotated[str, typer.Argument(help="What to learn from.", metavar="DATA", show_default=False)],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="lr=0.001..0.1 or batch_size=64|128 to search, lr=0.01 to keep; the fields are those of train.",
            metavar="KEY=VALUE",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Recipes to try beside the default one [20].")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Time for all of it, such as 90s or 30m.")] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help="What trials begin with: tutorial, transfer, scratch, or a recipe.toml."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The sweep's directory; one that is there goes on [runs/NAME-sweep-001]."),
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="A database URL, for many machines [a file in the sweep's directory].")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; they divide the threads.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Decides every draw.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be tried and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Search the recipe that does best, confirm it by fresh seeds, and train by it.

    Trials see the training pictures alone. The winner is compared with the default recipe on pictures that neither
    was chosen on, and is taken only if it is better by more than luck. Then one model is trained, and looks once at
    the pictures held out.

    Examples:

    \b
      lensmith sweep photos/ --trials 20 --budget 30m
      lensmith sweep photos/ freeze=false "lr=0.0001..0.01" "cutout=0..0.4" epochs=5
      lensmith sweep photos/ --out runs/photos-sweep-001
    """
    options: dict[str, Any] = {"trials": trials, "out": out, "storage": storage, "workers": workers}
    options |= {"budget": None if budget is None else seconds_of(budget)}
    wish = _wished(words or [], recipe, {"seed": seed, "device": device}, options)
    from lensmith.searching.sweep import plan_sweep, run_sweep

    if dry_run:
        _show_space(follow(plan_sweep(data, wish, BEGAN)), as_json)
        return
    run = follow(run_sweep(data, wish, BEGAN))
    if run is not None:  # else another machine goes on
        _show_run(run, as_json)


def _wished(words: list[str], recipe: Path | None, fields: dict[str, Any], options: dict[str, Any]) -> Wish:
    """What is asked for, once it is sure that it can be done here. options: of `Wish`, as they are."""
    from lensmith.searching.space import parse_space

    space, fixed = parse_space(words)
    fixed |= {name: value for name, value in fields.items() if value is not None}
    base = named_recipe(recipe) if recipe is not None else Recipe()
    base = base.varied(**fixed)
    from lensmith.cli.torch import require_torch, spare_the_compiler
    from lensmith.searching.storage import require_optuna

    require_torch("sweep")
    require_optuna()
    spare_the_compiler()
    from lensmith.searching.begin import Wish

    return Wish(base, fixed=frozenset(fixed), space=space, **options)


def _show_space(begun: Begun, as_json: bool) -> None:
    from lensmith.searching.space import words_of

    searched = words_of(begun.space)
    if as_json:
        show.data({"space": searched, "base": begun.facts["base"], "grounds": begun.facts["grounds"]})
        return
    for name, axis in searched.items():
        show.line(f"{name}={axis}")


def _show_run(run: Run, as_json: bool) -> None:
    from lensmith.cli.trained import show_end, summary
    from lensmith.runs.files import read_json

    facts = run.directory.facts()
    if as_json:
        show.data(summary(run, facts) | {"sweep": read_json(run.directory.sweep_file)})
    show_end(run, facts)
