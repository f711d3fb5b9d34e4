"""Is this machine ready, and what mends it: facts in, findings out. Nothing is imported or changed."""

from __future__ import annotations

from dataclasses import replace

from lensmith.diagnosis import driver, gpus, interpreter, places, torch_pair
from lensmith.diagnosis.finding import Check, Finding
from lensmith.machine.facts import Machine

__all__ = ["GIB", "Finding", "diagnose"]
GIB = 2**30

CHECKS: tuple[Check, ...] = (
    interpreter.check_python,
    interpreter.check_shadows,
    interpreter.check_copies,
    torch_pair.check_torch,
    torch_pair.check_torchvision,
    torch_pair.check_torchaudio,
    torch_pair.check_numpy,
    torch_pair.check_packages,
    driver.check_wsl,
    driver.check_driver,
    driver.check_library,
    driver.check_version,
    gpus.check_cpu_build,
    gpus.check_capability,
    gpus.check_visible,
    gpus.check_slices,
    gpus.check_device,
    places.check_libraries,
    places.check_compiler,
    places.check_shared_memory,
    places.check_disk,
    places.check_unread,
)


def diagnose(machine: Machine) -> list[Finding]:
    """What the checks find, in the order in which it should be mended."""
    found = [finding for check in CHECKS if (finding := check(machine)) is not None]
    if any(one.name == "python" and not one.ok for one in found) and machine.torch is not None:
        return [_for_another_python(one) for one in found]
    if any(finding.commands for finding in found):
        # What installs is asked about only where something has to be installed.
        found[1:1] = [finding for finding in (interpreter.check_installer(machine),) if finding is not None]
    return found


def _for_another_python(finding: Finding) -> Finding:
    """The finding without commands: what they install is not made for this Python."""
    if not finding.commands:
        return finding
    return replace(finding, cure="In the new environment; lensmith doctor there says how.", commands=())
