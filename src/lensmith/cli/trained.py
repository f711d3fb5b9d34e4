"""What `train` and `resume` say of a run that is finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lensmith.cli import show

if TYPE_CHECKING:
    from lensmith.training.run import Run


def summary(run: Run, facts: dict[str, Any]) -> dict[str, Any]:
    """What `--json` prints of a finished run."""
    return {
        "run": str(run.path),
        "task": run.report.task,
        "model": run.directory.recipe().model,
        "classes": run.report.classes,
        "skipped": facts["data"]["skipped"],
        "seconds": facts["seconds"],
        "report": run.report.as_dict(),
    }


def show_end(run: Run, facts: dict[str, Any]) -> None:
    """What was skipped, how long it took, where it lies, and what one can do with it."""
    # What a person may want to mend comes before what the system left there.
    skipped = sorted(facts["data"]["skipped"], key=lambda one: "of the system" in one["reason"])
    for one in skipped[:5]:
        show.entry("skipped", f"{one['file']}: {one['reason']}")
    if len(skipped) > 5:
        show.say(f"{'':>9}  and {len(skipped) - 5:,} more, in {run.directory.facts_file}")
    seconds = facts["seconds"]
    told = {name: s for name, s in seconds.items() if name != "total" and s >= 0.05}
    parts = ", ".join(f"{'start' if name == 'import' else name} {s:.1f}" for name, s in told.items())
    show.say(f"{'time':>9}  {seconds['total']:.1f} s ({parts})")
    show.say(f"{'results':>9}  {run.path}: look at report.html; the model is in model/")
    steps = {
        f"lensmith predict {run.path} photo.jpg": "names for new pictures",
        f"lensmith export {run.path} -o {run.path.name}.onnx": "one file for other programs",
        f"lensmith serve {run.path}": "answers over HTTP",
    }
    width = max(map(len, steps))
    for stage, (line, what) in zip(("you can", "", ""), steps.items(), strict=True):
        show.say(f"{stage:>9}  {line:<{width}}  # {what}" if width < 60 else f"{stage:>9}  {line}")
