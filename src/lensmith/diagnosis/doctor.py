"""Is this machine ready, and what mends it: facts in, findings out. Nothing is imported or changed."""

from __future__ import annotations

from dataclasses import replace

from lensmith.diagnosis import driver, gpus, interpreter, places, torch_pair
from lensmith.diagnosis.cures import first_install
from lensmith.diagnosis.finding import Check, Finding, Severity
from lensmith.diagnosis.homes import home_of
from lensmith.diagnosis.quoting import paste
from lensmith.machine.facts import Machine

__all__ = ["GIB", "Finding", "diagnose"]
GIB = 2**30

CHECKS: tuple[Check, ...] = (
    interpreter.check_python,
    interpreter.check_conda,
    interpreter.check_shadows,
    interpreter.check_copies,
    torch_pair.check_libc,
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
    if machine.torch is not None and any(one.name == "python" and not one.ok for one in found):
        return [_for_another_python(one) for one in found]
    if any(one.commands for one in found if not one.ok):
        # What installs is asked about only where something has to be installed.
        found[1:1] = [one for one in (interpreter.check_installer(machine),) if one is not None]
    return _in_a_home(found, machine)


def _for_another_python(finding: Finding) -> Finding:
    """The finding without commands: what they install is not made for this Python."""
    if not finding.commands or finding.ok:
        return finding
    return replace(finding, cure="In the new environment; lensmith doctor there says how.", commands=())


def _in_a_home(findings: list[Finding], machine: Machine) -> list[Finding]:
    """Where nothing may be installed into the Python at hand, an environment of one's own is the one cure."""
    home = home_of(machine)
    mended = [finding for finding in findings if finding.commands and not finding.ok]
    if not home.reason or not mended:
        return findings
    worst: Severity = "error" if any(one.severity == "error" for one in mended) else "warning"
    enter = "; ".join(paste(command) for command in home.enter)
    does = (
        "Make an environment for lensmith" if home.make else "Use the environment that is there for lensmith"
    )
    cure = f"{does} (to work in it later: {enter}):"
    first = Finding("environment", worst, home.reason, cure, (*home.make, *first_install(machine)))
    # What else needs packages needs them there, and gets them there.
    return [first, *(replace(one, cure="", commands=()) if one in mended else one for one in findings)]
