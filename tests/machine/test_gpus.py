"""Compute capabilities by the names that people and drivers use."""

from __future__ import annotations

import pytest

from lensmith.machine.gpus import capabilities_of, capability_of, gpu_names


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("4090", "8.9"),
        ("rtx4090", "8.9"),
        ("NVIDIA GeForce RTX 4090", "8.9"),
        ("GTX 1080 Ti", "6.1"),
        ("gtx1080ti", "6.1"),
        ("3060ti", "8.6"),
        ("RTX 2080 SUPER", "7.5"),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", "8.6"),
        ("A100 80GB", "8.0"),
        ("NVIDIA A100-SXM4-80GB", "8.0"),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "8.0"),
        ("NVIDIA H100 80GB HBM3", "9.0"),
        ("NVIDIA GH200 480GB", "9.0"),
        ("Tesla V100-SXM2-16GB", "7.0"),
        ("Tesla K80", "3.7"),
        ("Quadro RTX 6000", "7.5"),
        ("NVIDIA RTX 6000 Ada Generation", "8.9"),
        ("RTX A6000", "8.6"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "12.0"),
        ("NVIDIA TITAN X (Pascal)", "6.1"),
        ("GeForce GTX TITAN X", "5.2"),
        ("GTX 960", "5.2"),
        ("GTX 960M", "5.0"),  # the M is another chip
        ("Jetson Orin Nano", "8.7"),
        ("Jetson Nano", "5.3"),
        ("DGX Spark", "12.1"),
        ("RX 7900 XTX", None),
        ("", None),
        ("NVIDIA", None),
    ],
)
def test_the_capability_of_a_name(name: str, capability: str | None) -> None:
    assert capability_of(name) == capability


def test_a_name_that_was_used_twice_is_not_guessed() -> None:
    assert capabilities_of("RTX 4000") == ("7.5", "8.9")
    assert capability_of("RTX 4000") is None


def test_every_name_in_the_table_finds_itself() -> None:
    assert [name for name in gpu_names() if capability_of(name) is None] == []
