"""What has no upper bound and can stop a group: texts that become its keys, rows that only grow.

One text that is no key, because it is empty or longer than a record, stops a partition; so does one row that has
become larger than a record. A bound in the contract refuses the command that would lead there.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

from verbwire.contracts.checks.findings import Finding, Severity
from verbwire.contracts.checks.rejection_codes import parsed
from verbwire.contracts.schema.bounds import bounded_key, bounds_of, branches_of, sort_of
from verbwire.contracts.schema.defaults import named_types
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.messages import Event, Kind

_GROWING = {"array": "maxItems", "map": "maxProperties"}


def check_bounds(catalog: Catalog, declared: Iterable[object]) -> list[Finding]:
    """Find what lacks a bound.

    Codes of warnings: ``unbounded-key``, for a field that becomes the key of a process or a re-keyed table;
    ``unbounded-row``, for a list or map in a row or state; ``narrower-event``, for an event whose key may be
    shorter than that of a command of its aggregate.
    """
    findings: list[Finding] = []
    for each in declared:
        if isinstance(each, Table):
            keys = {event: key_fields(handler.function) for event, handler in each.keys.items()}
            findings += [*_keys(catalog, each.group, keys), *_rows(catalog.of(each.row), each.group)]
        elif isinstance(each, Process):
            keys = {event: [field] for event, field in each.keys.items()}
            findings += [*_keys(catalog, each.group, keys), *_rows(catalog.of(each.state), each.group)]
        elif isinstance(each, Aggregate):
            findings += [*_rows(catalog.of(each.state), each.group), *_narrower(catalog, each.namespace)]
    return findings


def key_fields(function: Callable[..., Any]) -> list[str]:
    """Return the fields of its first parameter that a function returns, or makes what it returns of.

    As far as its source tells: what it only compares is left out, functions that it calls are not looked into.
    """
    tree, _ = parsed(function) if isinstance(function, FunctionType) else (None, 0)
    definition = next((each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)), None) if tree else None
    if definition is None:
        return []
    event = definition.args.args[0].arg
    made = [each.value for each in ast.walk(definition) if isinstance(each, ast.Return | ast.Assign | ast.AnnAssign)]
    fields = [name for value in made if value is not None for name in _fields_in(value, event)]
    return list(dict.fromkeys(fields))


def _fields_in(node: ast.AST, event: str) -> Iterator[str]:
    if isinstance(node, ast.Compare):
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == event:
        yield node.attr
    for part in [node.body, node.orelse] if isinstance(node, ast.IfExp) else ast.iter_child_nodes(node):
        yield from _fields_in(part, event)


def _keys(catalog: Catalog, group: str, keys: Mapping[type[Event], Iterable[str]]) -> Iterator[Finding]:
    for event, names in keys.items():
        contract = catalog.of(event)
        fields = {each["name"]: each for each in contract.schema["fields"]}
        for name in names:
            missing = list(_missing(fields[name], contract)) if name in fields else []
            if missing:
                text = (
                    f"{contract.short}.{name} becomes a key of {group}, which an empty or a very long one stops: "
                    f"write {' and '.join(missing)} beside its type, and into the commands that it comes from"
                )
                yield Finding.at("unbounded-key", Severity.WARNING, contract.file, text)


def _missing(field: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    if not any(sort_of(each) in ("text", "bytes") for each in branches_of(field["type"])):
        return
    bounds = bounds_of(field, bounded_key(contract.schema))
    if bounds.get("minLength", 0) < 1:
        yield '"minLength": 1'
    if "maxLength" not in bounds:
        yield 'a "maxLength" like 100'


def _rows(row: Contract, group: str) -> Iterator[Finding]:
    for path, word in _growing(row.schema, "", named_types(row.schema)):
        text = (
            f"{path} may grow until {group} stops at a row that no record holds: write "
            f'"{word}" beside its type, and refuse in time the command that would add to it'
        )
        yield Finding.at("unbounded-row", Severity.WARNING, row.file, text)


def _growing(
    node: Any, path: str, named: Mapping[str, Any], holder: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, str]]:
    """The lists and maps inside a type that have no upper bound; `holder` is where theirs stand."""
    for branch in branches_of(node):
        branch = named.get(branch, branch) if isinstance(branch, str) else branch
        if not isinstance(branch, dict):
            continue
        for field in branch.get("fields", ()):
            inside = f"{path}.{field['name']}" if path else field["name"]
            yield from _growing(field["type"], inside, named, field)
        word = _GROWING.get(sort_of(branch) or "")
        if word is not None:
            if word not in (holder or {}) and word not in branch:
                yield path, word
            yield from _growing(branch.get("items", branch.get("values")), f"{path}[]", named)


def _narrower(catalog: Catalog, namespace: str) -> Iterator[Finding]:
    commands = catalog.of_namespace(namespace, Kind.COMMAND)
    for event in catalog.of_namespace(namespace, Kind.EVENT):
        for command in commands:
            if _longest_key(command) > _longest_key(event):
                text = (
                    f"its key has at most {_longest_key(event):.0f} characters, that of {command.short} may have more: "
                    'such a command would fail, write the same "maxLength" into both'
                )
                yield Finding.at("narrower-event", Severity.WARNING, event.file, text)


def _longest_key(contract: Contract) -> float:
    (field,) = [each for each in contract.schema["fields"] if each["name"] == contract.key[0]]
    longest: float = bounds_of(field, contract.key).get("maxLength", float("inf"))
    return longest
