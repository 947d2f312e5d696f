"""What a shell completes: names out of the project that we are in. One that cannot be read completes nothing.

Messages, topics and contexts come from the schema files alone; tables and groups take the project's import.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from verbwire.contracts.schema.model import Catalog
    from verbwire.project import Project

Complete = Callable[[str], list[str]]


def _quiet(names: Callable[[], Iterable[str]]) -> Complete:
    """Make a completer of a function that returns names: it prints nothing and raises nothing, whatever happens."""

    @wraps(names)
    def complete(incomplete: str) -> list[str]:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                found = sorted(set(names()))
            except Exception:  # noqa: BLE001 (a shell that completes has no place for errors; the command itself tells them)
                return []
        return [each for each in found if each.startswith(incomplete)]

    del complete.__wrapped__  # typer reads the signature
    return complete


def _catalog() -> Catalog:
    from verbwire.project import load_catalog

    return load_catalog()


def _project() -> Project:
    from verbwire.project import load_project

    return load_project()


def _messages(*kinds: str) -> Complete:
    def names() -> Iterable[str]:
        from verbwire.dotted_names import DottedNames

        catalog = _catalog()
        dotted = DottedNames(catalog.contracts)
        for contract in catalog:
            if contract.kind in kinds:
                yield (dotted.short(contract.name) or [contract.name])[-1]

    return _quiet(names)


commands = _messages("command")
events = _messages("event")
queries = _messages("query")


@_quiet
def contexts() -> Iterable[str]:
    """The contexts that have messages."""
    return (each.namespace for each in _catalog() if each.kind in ("command", "event"))


@_quiet
def tables() -> Iterable[str]:
    """The tables and processes."""
    project = _project()
    return [*(each.group for each in project.tables), *(each.group for each in project.processes)]


@_quiet
def groups() -> Iterable[str]:
    """All groups."""
    return _project().groups


@_quiet
def tails() -> Iterable[str]:
    """What `tail` takes: contexts, messages, topics."""
    from verbwire.inspection.reading.known_topics import topics_of

    return (*contexts(""), *commands(""), *events(""), *topics_of(_project()))
