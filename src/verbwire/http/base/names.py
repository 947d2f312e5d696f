"""Resolves the names of tables, queries and commands in paths: full, or any dotted end that no other one shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from verbwire.dotted_names import DottedNames
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem

T = TypeVar("T")


class NameResolver(Generic[T]):
    """Things of one sort, ``table`` for instance, by full name; `hint` says where their names can be looked up."""

    def __init__(self, sort: str, by_name: Mapping[str, T], hint: str) -> None:
        self._names = DottedNames(by_name)
        self._by_name = by_name
        self._sort = sort
        self._hint = hint

    @property
    def all(self) -> list[T]:
        """All of them, by name."""
        return [self._by_name[name] for name in self._names.all]

    def find(self, name: str) -> T:
        """Return what is called so; 404 for an unknown name, 400 for an end that several share."""
        match self._names.matching(name):
            case [found]:
                return self._by_name[found]
            case []:
                raise HttpProblem(problem_types.NO_SUCH[self._sort], f"no {self._sort} has this name: {self._hint}")
            case choices:
                detail = f"{name} is ambiguous: use {' or '.join(choices)}"
                raise HttpProblem(problem_types.AMBIGUOUS[self._sort], detail, more={"choices": choices})

    def short_names(self, name: str) -> list[str]:
        """Return the ends of a full name that mean it and no other, longest first."""
        return self._names.short(name)
