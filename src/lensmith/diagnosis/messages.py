"""STAND-IN."""

from lensmith.diagnosis.doctor import Finding
from lensmith.machine.facts import Machine


def explain_message(text: str, machine: Machine) -> list[Finding]:
    """Nothing yet."""
    return []
