"""Finding a table or a contract by its full name, or by any dotted end of it that no other one shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem

T = TypeVar("T")


class NameResolver(Generic[T]):
    """Things of one sort, ``table`` for instance, by full name; `hint` says where their names can be looked up."""

    def __init__(self, sort: str, by_name: Mapping[str, T], hint: str) -> None:
        self.all = [by_name[name] for name in sorted(by_name)]
        self._sort = sort
        self._hint = hint
        self._full = dict(by_name)
        self._ends: dict[str, list[str]] = {}
        for name in sorted(by_name):
            for end in _ends(name):
                self._ends.setdefault(end, []).append(name)

    def find(self, name: str) -> T:
        """Return what is called so; 404 for an unknown name, 400 for an end that several share."""
        if name in self._full:
            return self._full[name]
        choices = self._ends.get(name, [])
        if len(choices) == 1:
            return self._full[choices[0]]
        if choices:
            detail = f"{name} is ambiguous: use {' or '.join(choices)}"
            raise HttpProblem(problem_types.AMBIGUOUS[self._sort], detail, more={"choices": choices})
        raise HttpProblem(problem_types.NO_SUCH[self._sort], f"no {self._sort} has this name: {self._hint}")

    def short_names(self, name: str) -> list[str]:
        """Return the ends of a full name that mean it and no other, longest first."""
        return [end for end in _ends(name) if end not in self._full and len(self._ends[end]) == 1]


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(1, len(parts))]
