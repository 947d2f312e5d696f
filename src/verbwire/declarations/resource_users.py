"""Which workers open a resource: those that host a group of a module which names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from verbwire.declarations import GROUPS
from verbwire.declarations.resource import Resource
from verbwire.declarations.responder import Responder

Users: TypeAlias = frozenset[str] | None
"""The groups whose workers open a resource; None: every worker does."""


def users_of(modules: Sequence[ModuleType]) -> tuple[tuple[Resource[Any], Users], ...]:
    """Return the resources that modules of a project name, in the order in which they do, and who opens each.

    A module names one that it declares or imports, also by ``import``ing the module that does. Every worker opens one
    that a module with a responder names, or that none names which declares anything: it is not known who uses that.
    """
    named: dict[Resource[Any], list[ModuleType]] = {}
    for module in modules:
        for each in _named(module):
            named.setdefault(each, []).append(module)
    return tuple((each, _users(where)) for each, where in named.items())


def _named(module: ModuleType) -> Iterator[Resource[Any]]:
    for value in [*vars(module).values()]:
        if isinstance(value, Resource):
            yield value
        elif isinstance(value, ModuleType):
            yield from (each for each in [*vars(value).values()] if isinstance(each, Resource))


def _users(modules: Iterable[ModuleType]) -> Users:
    values = [value for module in modules for value in vars(module).values()]
    groups = frozenset(each.group for each in values if isinstance(each, GROUPS))
    if not groups or any(isinstance(each, Responder) for each in values):
        return None
    return groups
