"""Resolves dotted names: a name is known by itself, and by any dotted end that no other one shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class DottedNames:
    """Full names that may be shortened."""

    def __init__(self, names: Iterable[str]) -> None:
        self.all = sorted(names)
        self._known = frozenset(self.all)
        self._by_end: dict[str, list[str]] = {}
        for name in self.all:
            for end in _ends(name):
                self._by_end.setdefault(end, []).append(name)

    def matching(self, name: str) -> Sequence[str]:
        """Return the full names that a name may mean: one where it is known, several where it is ambiguous."""
        return [name] if name in self._known else self._by_end.get(name, [])

    def short(self, name: str) -> list[str]:
        """Return the ends of a full name that mean it and no other, longest first."""
        return [end for end in _ends(name) if end not in self._known and len(self._by_end[end]) == 1]


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(1, len(parts))]
