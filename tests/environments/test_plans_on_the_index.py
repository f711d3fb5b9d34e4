"""Every plan for the default index, checked against that index: the wheels for that Python exist and go together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lensmith.environments.described import describe_machine
from lensmith.environments.proposal import propose_environment

UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
CASES = json.loads((Path(__file__).parent / "described_machines.json").read_text())["cases"]
# What uv calls the platforms that the table names.
PLATFORMS = {
    "linux_x86_64": "x86_64-manylinux_2_28",
    "linux_aarch64": "aarch64-manylinux_2_28",
    "win_amd64": "x86_64-pc-windows-msvc",
    "macosx_arm64": "aarch64-apple-darwin",
    "macosx_x86_64": "x86_64-apple-darwin",
}


@pytest.mark.network
@pytest.mark.skipif(UV is None, reason="uv is not installed")
@pytest.mark.parametrize("machine", [one["machine"] for one in CASES if one.get("index") == ""])
def test_the_wheels_of_a_plan_exist(machine: str) -> None:
    assert UV is not None
    proposal = propose_environment(describe_machine(machine))
    build = proposal.build
    assert build is not None
    words = [
        "--only-binary",
        ":all:",
        "--no-header",
        "--no-annotate",
        "--quiet",
        "--python-version",
        proposal.python,
    ]
    done = subprocess.run(
        [UV, "pip", "compile", "-", *words, "--python-platform", PLATFORMS[proposal.described.platform]],
        input="".join(f"{pin}\n" for pin in proposal.requirements),
        capture_output=True,
        text=True,
        check=False,
        # The macOS that uv resolves for, where it is not this machine's.
        env=os.environ | ({"MACOSX_DEPLOYMENT_TARGET": build.system} if "macosx" in build.platform else {}),
    )
    assert done.returncode == 0, done.stderr
    assert all(pin in done.stdout.splitlines() for pin in proposal.requirements if "==" in pin)
