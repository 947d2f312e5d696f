"""Versions of a process: several declarations of one name, which stand as one in a project."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any, TypeVar

from verbwire.declarations.process import Process
from verbwire.errors import ContractError

D = TypeVar("D")


def by_group(declared: Iterable[D]) -> dict[str, D]:
    """Return declarations by the names of their groups, a process for all of its versions.

    :class:`ContractError` where two are called the same, unless they are versions of one process.
    """
    name = attrgetter("group")
    every = list(declared)
    order = {name(each): number for number, each in reversed(list(enumerate(every)))}
    found = {group: _one(group, [*same]) for group, same in groupby(sorted(every, key=name), name)}
    return {group: found[group] for group in sorted(found, key=order.__getitem__)}


def _one(group: str, same: list[Any]) -> Any:
    if len(same) == 1:
        return same[0]
    if not all(isinstance(each, Process) for each in same):
        raise ContractError(f"two declarations are called {group}: a group's name is its own")
    return of_versions(same)


def of_versions(processes: Iterable[Process[Any]]) -> Process[Any]:
    """Return one process that stands for all of these versions of it: it is read, sends and may what they do.

    :class:`ContractError` where two have the same number, or an event names its instance by another field in each.
    """
    versions = sorted(processes, key=lambda each: -each.version)
    newest, group = versions[0], versions[0].group
    for later, earlier in pairwise(versions):
        if later.version == earlier.version:
            raise ContractError(
                f"two processes are called {group}, both of version {later.version}: a group's name is its own; "
                f"give the one that new instances begin with version={later.version + 1}"
            )
    whole = copy.copy(newest)
    whole.others = tuple(versions)
    whole.sends = tuple(dict.fromkeys(command for each in versions for command in each.sends))
    whole.scopes = tuple(dict.fromkeys(scope for each in versions for scope in each.scopes))
    whole.handlers, whole.keys, whole.outcomes = {}, {}, {}
    for each in reversed(versions):
        _require_same_keys(whole, each)
        whole.handlers.update(each.handlers)
        whole.keys.update(each.keys)
        whole.outcomes.update(each.outcomes)
    whole.receivers = {command: handler for each in reversed(versions) for command, handler in each.receivers.items()}
    if len({each.namespace for each in versions if each.namespace}) > 1:
        raise ContractError(f"process {group}: its versions receive commands of several namespaces")
    whole.ignored = frozenset(c for each in versions for c in each.ignored).difference(whole.outcomes)
    return whole


def _require_same_keys(whole: Process[Any], version: Process[Any]) -> None:
    for event, field in version.keys.items():
        if whole.keys.get(event, field) != field:
            raise ContractError(
                f"process {version.group}: an instance is named by {field!r} of {event.__name__} in version "
                f"{version.version}, by {whole.keys[event]!r} in an earlier one: it would not find its state"
            )
