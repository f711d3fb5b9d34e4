"""Rows that belong together, pair by pair."""

from __future__ import annotations

from collections import defaultdict


class Links:
    """Which of `count` rows are linked, by whatever chain of pairs (R. E. Tarjan, 1975)."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def link(self, one: int, other: int) -> None:
        """These two belong together."""
        self._above[self._top(one)] = self._top(other)

    def linked(self, one: int, other: int) -> bool:
        """Whether they do already."""
        return self._top(one) == self._top(other)

    def groups(self) -> list[list[int]]:
        """The groups of two and more, each ascending, by their first row."""
        members: dict[int, list[int]] = defaultdict(list)
        for row in range(len(self._above)):
            members[self._top(row)].append(row)
        return sorted(group for group in members.values() if len(group) > 1)

    def _top(self, row: int) -> int:
        while self._above[row] != row:
            self._above[row] = row = self._above[self._above[row]]
        return row
