"""What clients may have seen of a project: the topics that positions name."""

from __future__ import annotations

from collections.abc import Iterator

from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.names import Names
from verbwire.project import Project


def topics_of(project: Project, names: Names) -> frozenset[str]:
    """Return the topics of all contexts that there are contracts of, and those that groups hand to themselves."""
    return frozenset(_topics(project, names))


def _topics(project: Project, names: Names) -> Iterator[str]:
    for namespace in {contract.namespace for contract in project.catalog}:
        yield from (names.events(namespace), names.commands(namespace), names.outcomes(namespace))
    for declared in project.declared.values():
        if isinstance(declared, Table | Process):
            yield names.repartition(names.group(declared.group), declared.table)
