"""What was found in the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lensmith.report.markup import Html, join, table, tag
from lensmith.report.thumbnails import shots, thumbnail

_SHOWN, _SUSPECTS = 5, 12


def findings(issues: list[dict[str, Any]]) -> Html:
    """Each finding with what to do about it and its first files. issues: JSON forms of `Issue`."""
    rows = []
    for issue in issues:
        files = [tag("small", " = ".join(group)) for group in issue["files"][:_SHOWN]]
        if len(issue["files"]) > _SHOWN:
            files.append(tag("small", f"and {len(issue['files']) - _SHOWN:,} more"))
        hint = issue.get("hint", "")
        rows.append((issue["name"], issue["severity"], join(issue["detail"], *files), hint))
    found = table(("finding", "severity", "what", "what to do"), rows, "Found in the data, the gravest first")
    return found or tag("p", "Nothing was found against the data.")


def suspects(study: dict[str, Any]) -> Html:
    """Labels that may be wrong, the likeliest first."""
    if not study:
        return Html()
    listed = study["listed"]
    pictures = [
        (
            thumbnail(one["file"]),
            join(
                Path(one["file"]).name, tag("small", f"labelled {one['label']}, perhaps {one['suggestion']}")
            ),
        )
        for one in listed[:_SUSPECTS]
    ]
    more = f" Shown are {len(pictures)} of {len(listed)}." if len(listed) > len(pictures) else ""
    words = f"Labels that may be wrong: {study['verdict']}.{more}"
    how = "To look through all of them and decide: lensmith inspect DATA --html FILE."
    return join(tag("p", words, f" {how}" if listed else ""), shots(pictures))


def decisions(study: dict[str, Any]) -> Html:
    """Whether decisions on pictures were good for the model."""
    return tag("p", f"{study['verdict'][:1].upper()}{study['verdict'][1:]}.")
