"""Real uv against an index of this machine: what gives way, and how it is said."""

from __future__ import annotations

import pytest
from package_index import PackageIndex
from repositories_read import HERE, fault, planned, reading

OTHER = "cp38-none-any"


def pins(plan: object) -> list[str]:
    return [line.split(" ")[0] for line in plan.requirements]  # type: ignore[attr-defined]


def test_versions_are_those_of_the_day_and_have_hashes(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0", day="2023-05-01", requires=["part"])
    index.add_wheel("thing", "2.0", day="2026-10-01")
    index.add_wheel("part", "1.0", day="2026-09-01")
    plan = planned(reading("thing"), before=None)
    assert plan.resolved
    assert pins(plan) == ["part==1.0", "thing==1.0"]
    assert all("--hash=sha256:" in line for line in plan.requirements)
    assert plan.faults == ()


def test_a_source_alone_is_left_to_the_build_however_it_is_brought_in(index: PackageIndex) -> None:
    index.add_source("raw", "1.0")
    index.add_source("deep", "4.8")
    index.add_wheel("thing", "1.0", requires=["deep==4.8"])
    plan = planned(reading("raw==1.0", "thing"))
    assert pins(plan) == ["thing==1.0"]
    assert sorted(plan.to_build) == ["deep==4.8", "raw==1.0"]
    assert plan.runs_foreign_code
    assert {one.name for one in plan.faults} == {"needs a build step"}


def test_a_pin_without_a_wheel_for_this_python_is_lifted_and_named(index: PackageIndex) -> None:
    index.add_wheel("fast", "1.0", tag=OTHER)
    index.add_wheel("fast", "1.1")
    plan = planned(reading("fast==1.0"))
    assert pins(plan) == ["fast==1.1"]
    found = fault(plan.faults, "no wheel for this Python")
    assert found.detail.startswith("fast==1.0 cannot hold")
    assert f"Python {HERE}" in found.detail
    assert "fast 1.1" in found.cure
    assert found.places == ("requirements.txt:1",)


def test_of_pins_that_exclude_each_other_one_is_lifted_and_the_other_offered(index: PackageIndex) -> None:
    for version, part in (("1.0", "part==1.0"), ("2.0", "part==2.0")):
        index.add_wheel("thing", version, requires=[part])
        index.add_wheel("part", version)
    plan = planned(reading("thing==2.0", "part==1.0"))
    found = fault(plan.faults, "conflict")
    assert "depends on part==2.0" in found.detail
    assert "Lifting part==1.0 would do as well." in found.cure
    assert pins(plan) == ["part==1.0", "thing==1.0"]


def test_torch_is_the_last_to_give_way(index: PackageIndex) -> None:
    index.add_wheel("torch", "1.7.1", requires=["part==1.0"])
    index.add_wheel("part", "1.0")
    index.add_wheel("part", "2.0")
    plan = planned(reading("torch==1.7.1", "part==2.0"))
    assert pins(plan) == ["part==1.0", "torch==1.7.1"]


def test_a_version_that_is_gone_is_named(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0")
    plan = planned(reading("thing==9.9"))
    assert "removed, or never was" in fault(plan.faults, "removed release").detail
    assert pins(plan) == ["thing==1.0"]


def test_a_yanked_version_is_installed_as_pinned_and_named(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0", yanked="breaks everything")
    index.add_wheel("thing", "1.1")
    plan = planned(reading("thing==1.0"))
    assert pins(plan) == ["thing==1.0"]
    assert "breaks everything" in fault(plan.faults, "yanked release").detail


def test_a_pin_that_is_newer_than_the_commit_is_taken_and_named(index: PackageIndex) -> None:
    index.add_wheel("thing", "1.0", day="2020-01-01")
    index.add_wheel("thing", "2.0", day="2026-11-01")
    plan = planned(reading("thing==2.0"))
    assert pins(plan) == ["thing==2.0"]
    assert "2.0" in fault(plan.faults, "pin newer than the day").cure


def test_a_package_that_nobody_knows_is_dropped_as_an_error_and_a_guess_as_a_warning(
    index: PackageIndex,
) -> None:
    index.add_wheel("thing", "1.0")
    plan = planned(reading("thing", "private-thing", undeclared=("local_module",)))
    dropped = [one for one in plan.faults if one.name == "no such package"]
    assert {(one.detail.split(" ")[0], one.severity) for one in dropped} == {
        ("private-thing", "error"),
        ("local-module", "warning"),
    }
    assert pins(plan) == ["thing==1.0"]


def test_numpy_stays_under_2_beside_a_torch_that_was_built_before_it(index: PackageIndex) -> None:
    index.add_wheel("torch", "1.7.1")
    index.add_wheel("numpy", "1.26.4")
    index.add_wheel("numpy", "2.0.0")
    plan = planned(reading("torch==1.7.1", "numpy"))
    assert pins(plan) == ["numpy==1.26.4", "torch==1.7.1"]
    assert "numpy<2" in fault(plan.faults, "numpy 2 beside an older torch").cure
    assert pins(planned(reading("numpy"))) == ["numpy==2.0.0"]


def test_setuptools_stays_where_pkg_resources_is(index: PackageIndex) -> None:
    index.add_wheel("setuptools", "81.0.0")
    index.add_wheel("setuptools", "82.0.0")
    assert pins(planned(reading("setuptools"))) == ["setuptools==81.0.0"]


def test_a_python_for_which_every_pin_has_a_wheel_is_offered(index: PackageIndex) -> None:
    index.add_wheel("fast", "1.0", tag=OTHER)
    index.add_wheel("fast", "1.1")
    plan = planned(reading("fast==1.0", python=">=3.8,<3.9"), python=HERE)
    offered = [one for one in plan.alternatives if one.words.startswith("Python 3.8")]
    assert [one.cost for one in offered] == ["every pin holds"]


@pytest.mark.parametrize("setting", ["UV_OFFLINE", "UV_DEFAULT_INDEX"])
def test_without_a_network_the_plan_says_so_and_keeps_what_was_asked(
    setting: str, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, "1" if setting == "UV_OFFLINE" else "http://127.0.0.1:9/simple")
    plan = planned(reading("thing==1.0"))
    assert not plan.resolved
    assert plan.requirements == ("thing==1.0",)
    assert "did not answer" in fault(plan.faults, "network").detail


def test_what_is_taken_in_the_place_of_a_pin_is_of_the_same_major(index: PackageIndex) -> None:
    index.add_wheel("fast", "1.23.5", tag=OTHER)
    for version in ("1.26.4", "2.0.0"):
        index.add_wheel("fast", version)
    assert pins(planned(reading("fast==1.23.5"))) == ["fast==1.26.4"]
    assert pins(planned(reading("fast==1.9"))) == ["fast==1.26.4"]
    assert pins(planned(reading("fast==3.1"))) == ["fast==2.0.0"]


def test_a_package_that_is_taken_much_older_than_it_was_is_named(index: PackageIndex) -> None:
    index.add_source("deep", "4.9")
    index.add_wheel("thing", "1.3", requires=["deep==4.9"])
    index.add_wheel("thing", "0.11")
    found = fault(planned(reading("thing")).faults, "held back")
    assert "thing 0.11 is taken, and 1.3 was the newest" in found.detail
    assert planned(reading("thing==1.3")).to_build == ("deep==4.9",)
