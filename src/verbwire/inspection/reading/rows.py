"""Contracts of the rows and states that changelogs hold."""

from __future__ import annotations

from verbwire.contracts.schema.model import Contract
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import STATE, Aggregate
from verbwire.declarations.process import Process
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.table import Table
from verbwire.names import Names
from verbwire.project import Project
from verbwire.wire.records.scheduled import SCHEDULED


def row_contracts(project: Project) -> dict[str, Contract]:
    """Return the contract of what each changelog of a project holds, by topic."""
    names, found = project.settings.names, {}
    for declared in project.declared.values():
        topic = changelog_of(names, declared)
        if topic is not None and isinstance(declared, Scheduler):
            found[topic] = SCHEDULED
        elif topic is not None and isinstance(declared, Table | Process | Aggregate):
            found[topic] = project.catalog.of(declared.row if isinstance(declared, Table) else declared.state)
    return found


def changelog_of(names: Names, declared: Declared) -> str | None:
    """Return the changelog of a group; None for one that keeps nothing."""
    match declared:
        case Aggregate():
            return names.changelog(names.group(declared.group), STATE)
        case Table() | Process() | Scheduler():
            return names.changelog(names.group(declared.group), declared.table)
        case _:
            return None
