"""The topics that a client's positions may name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from verbwire.deploy.group_plan import group_plans
from verbwire.names import Names
from verbwire.project import Project

_GENERATION = re.compile(r"\.\d+-(?=.*-repartition$)")


class KnownTopics(Collection[str]):
    """Names of topics; those that groups keep for themselves may be of any generation of a rebuilt table."""

    def __init__(self, names: Iterator[str]) -> None:
        self._names = frozenset(map(_plain, names))

    def __contains__(self, topic: object) -> bool:
        return topic in self._names or (isinstance(topic, str) and _plain(topic) in self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def known_topics(project: Project, names: Names) -> KnownTopics:
    """Return the topics of all contexts that there are contracts of, and the repartition topics of groups."""
    return KnownTopics(_topics(project, names))


def _plain(topic: str) -> str:
    """Return the name that a topic has in the first generation of its group."""
    return _GENERATION.sub("-", topic, count=1)


def _topics(project: Project, names: Names) -> Iterator[str]:
    for namespace in {contract.namespace for contract in project.catalog}:
        yield from (names.events(namespace), names.commands(namespace), names.outcomes(namespace))
    for plan in group_plans(project.declared.values(), project.catalog):
        for table in plan.tables if plan.rekeys else ():
            yield names.repartition(names.group(plan.group), table)
