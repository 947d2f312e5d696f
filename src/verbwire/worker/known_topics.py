"""The topics that a client's positions may name."""

from __future__ import annotations

from collections.abc import Iterator

from verbwire.deploy.group_plan import group_plans
from verbwire.names import Names
from verbwire.project import Project


def known_topics(project: Project, names: Names) -> frozenset[str]:
    """Return the topics of all contexts that there are contracts of, and the repartition topics of groups."""
    return frozenset(_topics(project, names))


def _topics(project: Project, names: Names) -> Iterator[str]:
    for namespace in {contract.namespace for contract in project.catalog}:
        yield from (names.events(namespace), names.commands(namespace), names.outcomes(namespace))
    for plan in group_plans(project.declared.values(), project.catalog):
        for table in plan.tables if plan.rekeys else ():
            yield names.repartition(names.group(plan.group), table)
