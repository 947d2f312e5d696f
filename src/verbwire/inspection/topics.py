"""The topics of a project: what each is for, who writes and who reads it, and how deploy would make it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.process import Process
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.table import Table
from verbwire.deploy.group_plan import GroupPlan, Topic, Use, context_topics, group_plans, group_topics
from verbwire.deploy.ownership import ownership
from verbwire.inspection.topology import EdgeKind, NodeKind, topology
from verbwire.project import Project
from verbwire.wire.records.scheduled import ScheduledRecord


class TopicDescription(msgspec.Struct, frozen=True, kw_only=True, tag="topic"):
    """A topic as this project means it. `planned` is how deploy would make it, None for another project's."""

    name: str
    holds: str
    messages: tuple[str, ...]
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    planned: dict[str, str] | None = None


def kept(declared: Declared) -> str | None:
    """Return the full name of the row or state that a group keeps; None where it keeps none."""
    match declared:
        case Table():
            return str(declared.row.__contract__)
        case Aggregate() | Process():
            return str(declared.state.__contract__)
        case Scheduler():
            return ScheduledRecord.__contract__
        case _:
            return None


def topics(project: Project) -> list[TopicDescription]:
    """Return the topics that this project owns, reads or writes, by name."""
    names, catalog, flow = project.settings.names, project.catalog, topology(project)
    found: dict[str, TopicDescription] = {}
    for node in flow.nodes:
        if node.kind in (NodeKind.COMMANDS, NodeKind.EVENTS):
            writers = [flow.node(each.source).name for each in flow.edges_to(node.id)]
            readers = [
                flow.node(each.target).name for each in flow.edges_from(node.id) if each.kind is not EdgeKind.OUTCOMES
            ]
            found[node.name] = _described(node.name, f"{node.kind} of {node.context}", node.messages, writers, readers)
    plans = group_plans(project.declared.values(), catalog)
    for node in flow.nodes:
        if node.kind is NodeKind.COMMANDS:
            log = names.outcomes(node.context)
            writers = [each.group for each in plans if log in each.outcome_logs(names)]
            readers = [each.group for each in plans if log in each.inputs(names)]
            what = f"outcomes of the commands of {node.context}"
            found[log] = _described(log, what, ("verbwire.Outcome",), writers, [*writers, *readers])
    for plan in plans:
        found |= {own.name: _own(project, plan, own) for own in group_topics(names, plan, project.settings.partitions)}
    found |= {each.name: each for each in _shared(project)}
    planned = {each.name: each for each in _planned(project)}
    described = (_with_plan(each, planned.get(name)) for name, each in found.items())
    return sorted(described, key=lambda each: each.name)


def _described(
    name: str, holds: str, messages: Iterable[str], writers: Iterable[str], readers: Iterable[str]
) -> TopicDescription:
    return TopicDescription(
        name=name,
        holds=holds,
        messages=tuple(sorted(messages)),
        written_by=tuple(sorted(set(writers))),
        read_by=tuple(sorted(set(readers))),
    )


def _own(project: Project, plan: GroupPlan, topic: Topic) -> TopicDescription:
    declared = project.declared[plan.group]
    what = {
        "-changelog": "changelog of its rows" if isinstance(declared, Table) else "changelog of its states",
        "-repartition": "its inputs under their new keys",
        ".requests": "what operators ask of it",
        ".parked": "records of keys that cannot go on, until an operator decides",
        ".retries": "dead letters that were requeued",
        ".scheduled": "commands that are sent for later, and what cancels them",
        ".outcomes": "what became of cancellations",
        ".dead-letters": "records that it could not read or handle, as they were",
    }
    holds = next(text for end, text in what.items() if topic.name.endswith(end))
    row = kept(declared)
    messages = (row,) if row and topic.name.endswith("-changelog") else ()
    writers = [plan.group] if Use.WRITE in topic.use else []
    return _described(topic.name, f"{holds} ({plan.group})", messages, writers, [plan.group] * (Use.READ in topic.use))


def _shared(project: Project) -> list[TopicDescription]:
    names = project.settings.names
    deciding = [each.group for each in project.aggregates]
    return [
        _described(names.replies(), "replies to clients that wait for an outcome", ("verbwire.Outcome",), deciding, ()),
        _described(names.workers(), "what workers say of themselves", ("verbwire.Worker",), (), ()),
    ]


def _planned(project: Project) -> Iterable[Topic]:
    """What deploy would create, where no topic stands yet."""
    settings, catalog = project.settings, project.catalog
    yield from context_topics(settings.names, catalog, ownership(project).owned, settings.partitions)
    for plan in group_plans(project.declared.values(), catalog):
        yield from group_topics(settings.names, plan, settings.partitions)


def _with_plan(described: TopicDescription, topic: Topic | None) -> TopicDescription:
    if topic is None:
        return described
    return msgspec.structs.replace(described, planned={"partitions": str(topic.partitions), **topic.settings})
