"""What of a machine decides the bits of a sum is told, as far as the system tells."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lensmith.machine.arithmetic import arithmetic, processor

linux = pytest.mark.skipif(sys.platform == "darwin", reason="macOS is asked otherwise")

INTEL = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu sse4_2 fma avx avx2 avx512f avx512_bf16 amx_bf16 hypervisor

processor\t: 1
model name\t: another
"""
ARM = """processor\t: 0
Features\t: fp asimd evtstrm sve bf16 i8mm
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""


@linux
@pytest.mark.parametrize(
    ("text", "name", "instructions"),
    [
        (
            INTEL,
            "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
            ["sse4_2", "avx", "fma", "avx2", "avx512f", "avx512_bf16", "amx_bf16"],
        ),
        (ARM, "0xd40", ["asimd", "sve", "bf16", "i8mm"]),
    ],
)
def test_the_processor_and_its_instructions(
    text: str, name: str, instructions: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert processor(tmp_path / "cpuinfo") == (name, instructions)


@linux
def test_where_nothing_can_be_read_there_is_a_name_all_the_same(tmp_path: Path) -> None:
    name, instructions = processor(tmp_path / "none")
    assert name and instructions == []
    (tmp_path / "empty").write_bytes(b"\xff\xfe no colons here\n")
    assert processor(tmp_path / "empty")[0]


def test_variables_that_choose_other_kernels_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.delenv("MKL_CBWR", raising=False)
    found = arithmetic("cpu")
    assert found["ONEDNN_MAX_CPU_ISA"] == "AVX2" and "MKL_CBWR" not in found
    assert found["processor"] and found["kernels"] and int(found["threads"]) >= 1
