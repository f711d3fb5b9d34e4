"""The tree of installed packages, read from real metadata, and where each can be had again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lensmith.environments.installed import FROM_A_FILE, installed_tree, read_package
from lensmith.environments.recorded import record_packages, recorded_packages


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that Python looks into first."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def add(
    site: Path, name: str, version: str = "1.0", needs: tuple[str, ...] = (), origin: object = None
) -> None:
    """A package as an installer leaves it."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    extras = {need.split("extra == '")[1].split("'")[0] for need in needs if "extra ==" in need}
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    (folder / "METADATA").write_text(
        "\n".join([*lines, *(f"Requires-Dist: {need}" for need in needs)]) + "\n"
    )
    if origin is not None:
        (folder / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))


def test_all_that_a_root_needs_by_the_extras_that_were_asked(site: Path) -> None:
    add(
        site,
        "top-1",
        needs=("Mid_1>=1", "far-1 ; extra == 'more'", "never-1 ; extra == 'other'", "not a line!"),
    )
    add(site, "mid-1", needs=("low-1", "top-1"))  # a ring
    add(site, "low-1")
    add(site, "far-1", needs=("gone-1",))  # not installed
    add(site, "never-1")
    assert [one.name for one in installed_tree(["top-1[more]"])] == ["far-1", "low-1", "mid-1", "top-1"]
    assert [one.name for one in installed_tree(["top-1"])] == ["low-1", "mid-1", "top-1"]


def test_what_only_some_systems_need_says_so(site: Path) -> None:
    here = "python_version >= '3.0'"
    add(
        site,
        "top-2",
        needs=(f"mid-2 ; {here}", "other-2 ; python_version < '3.0'", "both-2", f"both-2 ; {here}"),
    )
    add(site, "mid-2", needs=("low-2 ; implementation_name != 'x'", "kit-2[part]"))
    add(site, "kit-2", needs=("low-3 ; extra == 'part'",))
    for name in ("low-2", "low-3", "both-2", "other-2"):
        add(site, name)
    found = {one.name: one.line for one in installed_tree(["top-2"])}
    assert found == {
        "top-2": "top-2==1.0",
        "both-2": "both-2==1.0",
        "mid-2": 'mid-2==1.0 ; python_version >= "3.0"',
        "kit-2": 'kit-2==1.0 ; python_version >= "3.0"',
        "low-3": 'low-3==1.0 ; python_version >= "3.0"',
        "low-2": 'low-2==1.0 ; (python_version >= "3.0" and implementation_name != "x")',
    }


@pytest.mark.parametrize(
    ("origin", "line", "obstacle", "doubt"),
    [
        (None, "one-1==1.0", "", ""),
        ({"url": "file:///home/me/one", "dir_info": {"editable": True}}, "one-1==1.0", "editable", ""),
        ({"url": "file:///home/me/one", "dir_info": {}}, "one-1==1.0", "from a folder of this machine", ""),
        ({"url": "file:///w/one-1.0.whl", "archive_info": {}}, "one-1==1.0", "", "installed from a file"),
        (
            {"url": "https://me:secret@git.org/one", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "one-1 @ git+https://git.org/one@abc",
            "",
            "",
        ),
        (
            {"url": "https://a.org/one-1.0.whl", "archive_info": {"hash": "sha256=12"}},
            "one-1 @ https://a.org/one-1.0.whl#sha256=12",
            "",
            "",
        ),
        ("{", "one-1==1.0", "cannot be read", ""),
    ],
)
def test_where_a_package_can_be_had_again(
    site: Path, origin: object, line: str, obstacle: str, doubt: str
) -> None:
    add(site, "one-1", origin=origin)
    package = read_package("one-1")
    assert package is not None
    assert package.line == line
    assert (obstacle in package.obstacle) and bool(obstacle) == bool(package.obstacle)
    assert (doubt in package.doubt) and bool(doubt) == bool(package.doubt)


def test_the_index_of_a_torch_is_in_its_version(site: Path) -> None:
    add(site, "torchaudio", "2.11.0+cu128")
    add(site, "other-1", "1.0+cu128")
    package, other = read_package("torchaudio"), read_package("other-1")
    assert package is not None and package.local == "cu128"
    assert other is not None and other.local == ""


def test_what_is_behind_a_licence_of_many_paragraphs_is_needed_too(site: Path) -> None:
    add(site, "top-4", needs=("low-4",))
    add(site, "low-4")
    metadata = site / "top_4-1.0.dist-info/METADATA"
    licence = "Version: 1.0\nLicense: All of it\n        \n        and more\n"
    metadata.write_text(metadata.read_text().replace("Version: 1.0\n", licence))
    assert [one.name for one in installed_tree(["top-4"])] == ["low-4", "top-4"]


def test_an_installation_that_was_interrupted_is_none(site: Path) -> None:
    add(site, "top-5")
    (site / "top_5-1.0.dist-info/METADATA").write_text("")
    assert read_package("top-5") is None


def test_extras_among_other_conditions(site: Path) -> None:
    always, never = "python_version >= '3.0'", "python_version < '3.0'"
    needs = (
        f"one-6 ; ({never} or {always}) and extra == 'Some_Part'",
        f"two-6 ; {always} or extra == 'other'",
        f"three-6 ; ({always} or {never}) and extra == 'other'",
    )
    add(site, "top-6", needs=needs)
    for name in ("one-6", "two-6", "three-6"):
        add(site, name)
    assert [one.name for one in installed_tree(["top-6[some-part]"])] == ["one-6", "top-6", "two-6"]


def test_what_a_run_writes_down_is_read_as_it_was(site: Path) -> None:
    add(site, "top-7", needs=("from-git", "from-folder", "from-file"))
    git = {"url": "https://me:secret@git.org/one", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    add(site, "from-git", origin=git)
    add(site, "from-folder", origin={"url": "file:///home/me/one", "dir_info": {}})
    add(site, "from-file", origin={"url": "file:///w/one-1.0.whl", "archive_info": {}})
    written = record_packages(["top-7"])
    assert "secret" not in written["from-git"]
    assert {"numpy", "typer"} < written.keys()
    read = recorded_packages({"packages": json.loads(json.dumps(written))})
    assert read["top-7"].line == "top-7==1.0"
    assert read["from-git"].obstacle == "it came from from-git @ git+https://git.org/one@abc"
    assert read["from-folder"].obstacle == "it was installed from a folder of this machine"
    assert (read["from-file"].obstacle, read["from-file"].doubt) == ("", FROM_A_FILE)
