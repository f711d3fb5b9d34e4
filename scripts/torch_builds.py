"""Compare the table of torch builds with the wheels of the package index, and add releases that it lacks.

    python scripts/torch_builds.py --check            what the table lacks or says otherwise; exit 1 if anything
    python scripts/torch_builds.py --check 2.14.1     that release alone
    python scripts/torch_builds.py --extend           also writes it, with evidence "opened" and today's date

A wheel is not downloaded: its list of files, METADATA, torch/version.py and the library that holds the list
of compute capabilities are read out of it by range requests. An index that serves no ranges costs the whole wheel.
Only the default package index is asked, as pip is configured; PyTorch's own index is not.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from packaging.version import Version

sys.path.insert(0, str(Path(__file__).parent))

from wheel_index import Index, Wheel

from lensmith.machine.packages import COMPILED, parse_compiled, parse_version

TABLE = Path(__file__).parents[1] / "src/lensmith/machine/torch_builds.json"
FIRST, FIRST_DAY = Version("1.13"), "2022-10-01"
AT_ONCE = 8
LIBRARIES = ("torch/lib/libtorch_python.so", "torch/lib/torch_python.dll")
ORDER = ("linux_x86_64", "linux_aarch64", "win_amd64", "macosx_arm64", "macosx_x86_64")
Row = dict[str, Any]


def read_releases(index: Index, asked: list[str]) -> list[str]:
    """The torch releases on the index, newest first: those asked for, or all that the table is about."""
    known = [one for one in index.versions("torch") if one >= FIRST]
    return [str(one) for one in reversed(known) if not asked or str(one) in asked]


def read_pairs(index: Index, name: str, releases: list[str]) -> dict[str, Version]:
    """torch release -> the release of `name` that goes with it.

    That is the newest whose metadata asks for exactly this torch; where none does, the newest of those that ask
    for a torch from some release on, and came out before the day after it. One that asks for no torch goes with
    its own number: torchaudio 2.11.0 does not load beside a torch for another CUDA, and names none.
    """
    versions = [one for one in index.versions(name) if index.wheels(name, one)[0].uploaded >= FIRST_DAY]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        needs = list(pool.map(lambda one: index.needs(index.wheels(name, one)[0], "torch"), versions))
    exact, loose, pairs = {}, [], {}
    for version, asked in zip(versions, needs, strict=True):
        pinned = [one.version for one in asked if one.operator == "=="] or ([] if asked else [str(version)])
        exact |= dict.fromkeys(pinned, version)
        loose += [] if pinned else [version]
    for torch in releases:
        day = datetime.date.fromisoformat(index.wheels("torch", Version(torch))[0].uploaded)
        until = (day + datetime.timedelta(days=1)).isoformat()
        earlier = [one for one in loose if index.wheels(name, one)[0].uploaded <= until]
        if found := exact.get(torch) or max(earlier, default=None):
            pairs[torch] = found
    return pairs


def read_rows(index: Index, torch: str, pairs: dict[str, dict[str, Version]]) -> list[Row]:
    """A row for each platform of this release."""
    sys.stderr.write(f"reading torch {torch}\n")
    wheels = index.wheels("torch", Version(torch))
    rows = []
    for platform in ORDER:
        own = [wheel for wheel in wheels if wheel.platform == platform]
        if not own:
            continue
        cuda, compiled = _opened(index, own[-1])
        row: Row = {"platform": platform, "index": "", "torch": f"=={torch}"}
        for name, known in pairs.items():
            row[name] = f"=={known[torch]}" if torch in known else ""
        row |= {"cuda": cuda, "capabilities": list(compiled), "released": min(one.uploaded for one in own)}
        row |= {"python": index.pythons("torch", Version(torch), platform)}
        vision = pairs["torchvision"].get(torch)
        row["system"] = max(
            index.system("torch", Version(torch), platform),
            index.system("torchvision", vision, platform) if vision else "",
            key=lambda one: [int(part) for part in one.split(".") if part],
        )
        for name, known in pairs.items():
            python = index.pythons(name, known[torch], platform) if torch in known else ""
            if torch in known and python != row["python"]:
                row[f"{name}_python"] = python
        rows.append(row | {"evidence": "opened", "read": datetime.date.today().isoformat()})
    return rows


def _opened(index: Index, wheel: Wheel) -> tuple[str | None, tuple[str, ...]]:
    """CUDA and compute capabilities, out of the wheel itself."""
    with index.open(wheel) as content:
        cuda = parse_version(content.read("torch/version.py").decode()).get("cuda")
        if cuda is None:
            return None, ()
        names = set(content.namelist())
        library = next(name for name in LIBRARIES if name in names)
        found = COMPILED.search(content.read(library))
        return cuda, parse_compiled(found.group().decode()) if found else ()


def differences(table: list[Row], rows: list[Row]) -> list[str]:
    """What the table lacks or says otherwise, a line each."""
    known = {(row["platform"], row["torch"]): row for row in table if row["index"] == ""}
    lines = []
    for row in rows:
        ours = known.get((row["platform"], row["torch"]))
        place = f"torch{row['torch']} for {row['platform']}"
        if ours is None:
            lines.append(f"{place} is not in the table")
            continue
        lines += [
            f"{place}: {key} is {row.get(key)!r} in the wheel, {ours.get(key)!r} in the table"
            for key in sorted((row.keys() | ours.keys()) - {"read", "evidence"})
            if row.get(key) != ours.get(key)
        ]
    return lines


def merge(table: list[Row], rows: list[Row]) -> list[Row]:
    """The rows of the table with those that were read in their place: newest first, folders after the default."""
    read = {(row["platform"], row["torch"]) for row in rows}
    kept = [row for row in table if row["index"] or (row["platform"], row["torch"]) not in read]

    def place(row: Row) -> tuple[int, bool]:
        return ORDER.index(row["platform"]), row["index"] != ""

    plain = sorted(
        (row for row in [*kept, *rows] if not row["index"]),
        key=lambda row: Version(row["torch"].removeprefix("==")),
        reverse=True,
    )
    return sorted([*plain, *(row for row in kept if row["index"])], key=place)


def write_table(table: dict[str, Any], file: Path) -> None:
    """One line a row, so that a change to the table can be read."""
    head = json.dumps({key: value for key, value in table.items() if key != "builds"}, indent=2)
    head = re.sub(r"\[\s+([^][{}]*?)\s+\]", _on_one_line, head)
    lines = ",\n".join(f"    {json.dumps(row)}" for row in table["builds"])
    file.write_text(
        f'{head.removesuffix("}").rstrip()},\n  "builds": [\n{lines}\n  ]\n}}\n', encoding="utf-8"
    )


def _on_one_line(found: re.Match[str]) -> str:
    return f"[{' '.join(found.group(1).split())}]"


def main() -> int:
    """Parse, read, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", nargs="*", help="torch releases such as 2.14.1; all where none is named")
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--extend", action="store_true", help="write what was read into the table")
    parser.add_argument("--table", type=Path, default=TABLE, help="another table than the package's")
    words = parser.parse_args()
    if words.check == words.extend:
        parser.error("give --check or --extend")
    index = Index()
    table = json.loads(words.table.read_text(encoding="utf-8"))
    releases = read_releases(index, words.release)
    if not releases:
        parser.error(f"{index.url} has none of {', '.join(words.release)}")
    pairs = {name: read_pairs(index, name, releases) for name in ("torchvision", "torchaudio")}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = [
            row for found in pool.map(lambda torch: read_rows(index, torch, pairs), releases) for row in found
        ]
    lines = differences(table["builds"], rows)
    sys.stdout.write("".join(f"{line}\n" for line in lines) or "the table says what the wheels say\n")
    if words.extend:
        table["builds"] = merge(table["builds"], rows)
        table["date"] = datetime.date.today().isoformat()
        write_table(table, words.table)
    return 1 if lines and words.check else 0


if __name__ == "__main__":
    sys.exit(main())
