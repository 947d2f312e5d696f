"""What each topic of a project holds, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.process import Process
from verbwire.deploy.group_plan import GroupPlan
from verbwire.errors import ConfigurationError
from verbwire.messages import Kind
from verbwire.names import Names
from verbwire.project import Project


class Holds(StrEnum):
    """What the records of a topic are."""

    COMMAND = "command"
    EVENT = "event"
    OUTCOME = "outcome"
    ROW = "row"
    STATE = "state"
    REPARTITIONED = "repartitioned"
    REQUEUED = "requeued"
    REQUEST = "request"
    PARKED = "parked"
    SCHEDULED = "scheduled"
    DEAD_LETTER = "dead-letter"
    REPLY = "reply"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class KnownTopic:
    """A topic: what it holds, and the context, or the group as declared, whose it is."""

    name: str
    holds: Holds
    owner: str


def topics_of(project: Project) -> dict[str, KnownTopic]:
    """Return all topics of a project, by name, whether they are there or not."""
    return {each.name: each for each in (*_of_contexts(project), *_of_groups(project), *_of_project(project))}


def namespaces_of(project: Project) -> list[str]:
    """Return the contexts that have messages of their own."""
    return sorted({each.namespace for each in project.catalog if each.kind in (Kind.COMMAND, Kind.EVENT)})


def require_namespace(project: Project, name: str) -> str:
    """Return the context of that name; ConfigurationError, which lists them, where there is none."""
    known = namespaces_of(project)
    if name not in known:
        raise ConfigurationError(f"no context is called {name}: there are {', '.join(known) or 'none'}")
    return name


def _of_contexts(project: Project) -> Iterator[KnownTopic]:
    names = project.settings.names
    for namespace in namespaces_of(project):
        if project.catalog.of_namespace(namespace, Kind.COMMAND):
            yield KnownTopic(names.commands(namespace), Holds.COMMAND, namespace)
            yield KnownTopic(names.outcomes(namespace), Holds.OUTCOME, namespace)
        if project.catalog.of_namespace(namespace, Kind.EVENT):
            yield KnownTopic(names.events(namespace), Holds.EVENT, namespace)


def _of_groups(project: Project) -> Iterator[KnownTopic]:
    for declared in project.declared.values():
        holds = Holds.STATE if isinstance(declared, Aggregate | Process) else Holds.ROW
        yield from _of_group(project.settings.names, GroupPlan.of(declared, project.catalog), holds)


def _of_group(names: Names, plan: GroupPlan, kept: Holds) -> Iterator[KnownTopic]:
    group = names.group(plan.group)
    for table in plan.tables:
        yield KnownTopic(names.changelog(group, table), kept, plan.group)
        if plan.rekeys:
            yield KnownTopic(names.repartition(group, table), Holds.REPARTITIONED, plan.group)
    if plan.parks:
        yield KnownTopic(names.parked(group), Holds.PARKED, plan.group)
    if plan.heeds:
        yield KnownTopic(names.requests(group), Holds.REQUEST, plan.group)
    if plan.schedules:
        yield KnownTopic(names.scheduled(plan.schedules), Holds.SCHEDULED, plan.schedules)
        yield KnownTopic(names.outcomes(plan.group), Holds.OUTCOME, plan.group)
    if plan.requeues:
        yield KnownTopic(names.requeued(group), Holds.REQUEUED, plan.group)
    yield KnownTopic(names.dead_letters(group), Holds.DEAD_LETTER, plan.group)


def _of_project(project: Project) -> Iterator[KnownTopic]:
    names = project.settings.names
    yield KnownTopic(names.replies(), Holds.REPLY, project.settings.project)
    yield KnownTopic(names.workers(), Holds.WORKER, project.settings.project)
