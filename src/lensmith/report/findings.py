"""What was found in the data."""

from __future__ import annotations

from typing import Any

from lensmith.report.markup import Html, join, table, tag

_SHOWN = 5


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
