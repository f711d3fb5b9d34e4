"""What of a reading is told again beside a plan."""

from __future__ import annotations

from pathlib import Path

from lensmith.cli.repositories import left_lines
from lensmith.provisioning.interpreters import Interpreter
from lensmith.provisioning.plan import Plan
from lensmith.repositories.reading import Fault

REMOVED = Fault("removed from numpy", "error", "np.int is gone", "Write int.", unless="numpy<1.24")
GONE = Fault("removed from python", "error", "distutils is gone", "Take setuptools.", unless="python<3.12")
FAULTS = (REMOVED, GONE, Fault("eval", "warning", "eval runs text"), Fault("old torch", "info", "no code"))


def told(python: str, *requirements: str, resolved: bool = True) -> str:
    plan = Plan(Path("x"), Interpreter(python), None, requirements, resolved=resolved)
    return "\n".join(left_lines(FAULTS, plan, "lensmith reproduce x --to read"))


def test_what_the_plan_answers_is_counted_and_the_rest_is_told() -> None:
    said = told("3.10.13", "numpy==1.23.5 --hash=sha256:0")
    assert "np.int" not in said and "distutils" not in said and "no code" not in said
    assert "eval runs text" in said and "removed from numpy, removed from python, old torch" in said
    assert said.endswith("lensmith reproduce x --to read")


def test_what_it_does_not_answer_stays() -> None:
    assert "np.int" in told("3.10.13", "numpy==1.24.0") and "distutils" in told("3.12", "numpy==1.24.0")
    assert "np.int" in told("3.10.13", "numpy==1.23.5", resolved=False)
    assert "np.int" in told("3.10.13")
