"""What flows where: the declared groups of a project, the topics between them, and the queries that are answered.

Nothing but declarations is asked, so it is the same with or without a cluster; who has asked one for the generations
of rebuilt tables may give them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec

from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.responder import Responder
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.deploy.ownership import ownership
from verbwire.messages import Kind, Message
from verbwire.project import Project
from verbwire.wire.records.rebuilds import RebuildWord

NO_WORDS: Mapping[str, RebuildWord] = MappingProxyType({})


class NodeKind(StrEnum):
    """What stands at a place of the topology; `COMMANDS` and `EVENTS` are topics."""

    COMMANDS = "commands"
    AGGREGATE = "aggregate"
    JOB = "job"
    EVENTS = "events"
    TABLE = "table"
    PROCESS = "process"
    SUBSCRIBER = "subscriber"
    SCHEDULER = "scheduler"
    RESPONDER = "responder"
    QUERY = "query"


class EdgeKind(StrEnum):
    """What happens between two places.

    `OUTCOMES`: of the commands that a process has sent, which come back to it. All others are read in their direction.
    """

    SENDS = "sends"  # group -> commands
    RECEIVES = "receives"  # commands -> the one receiver
    EMITS = "emits"  # group -> events
    READS = "reads"  # events -> group
    OUTCOMES = "outcomes"  # receiver -> process
    ANSWERS = "answers"  # table or responder -> query


class TopologyNode(msgspec.Struct, frozen=True, kw_only=True):
    """One place. `name` is that of the topic on the cluster, of a group as declared, or the full name of a query.

    `messages` are the full names of what it holds, handles or is; `imported`: another project deploys it.
    `generations` are those of a table that was rebuilt, the one that serves first; none where no cluster was asked.
    """

    id: str
    kind: NodeKind
    name: str
    context: str
    messages: tuple[str, ...] = ()
    imported: bool = False
    generations: tuple[int, ...] = ()

    @property
    def generations_told(self) -> str:
        """Which generation serves, and which stand beside it, in words; empty where it was never rebuilt."""
        serving, others = self.generations[:1], self.generations[1:]
        said = [*(f"generation {each} serves" for each in serving), *(f"{each} stands beside it" for each in others)]
        return ", ".join(said)


class TopologyEdge(msgspec.Struct, frozen=True, kw_only=True):
    """What goes from one node to another: the full names of the messages, and which of them are re-keyed on the way."""

    source: str
    target: str
    kind: EdgeKind
    messages: tuple[str, ...] = ()
    rekeyed: tuple[str, ...] = ()


class ProjectTopology(msgspec.Struct, frozen=True, kw_only=True):
    """All of it: nodes by kind and name, edges by their ends."""

    project: str
    nodes: tuple[TopologyNode, ...]
    edges: tuple[TopologyEdge, ...]

    def node(self, id: str) -> TopologyNode:
        """Return the node of that id."""
        return next(each for each in self.nodes if each.id == id)

    def edges_from(self, id: str, *kinds: EdgeKind) -> list[TopologyEdge]:
        """Return the edges that leave a node; of these kinds, where some are named."""
        return [each for each in self.edges if each.source == id and (not kinds or each.kind in kinds)]

    def edges_to(self, id: str, *kinds: EdgeKind) -> list[TopologyEdge]:
        """Return the edges that end at a node; of these kinds, where some are named."""
        return [each for each in self.edges if each.target == id and (not kinds or each.kind in kinds)]


def node_id(kind: NodeKind, name: str) -> str:
    """Return the id of a node; `name` is a namespace for a topic, else a declared name or a query's full name."""
    return f"{kind}:{name}"


def topology(project: Project, words: Mapping[str, RebuildWord] = NO_WORDS) -> ProjectTopology:
    """Return what a project declares, as a graph. Imported contexts are in it as far as this project meets them.

    `words` are what the cluster says of tables that were rebuilt (:mod:`verbwire.generations.topic`).
    """
    edges = tuple(sorted(_edges(project), key=lambda each: (each.source, each.target, each.kind)))
    order = list(NodeKind)
    every = (_with_generations(each, words.get(each.name)) for each in _nodes(project, edges))
    nodes = sorted(every, key=lambda each: (order.index(each.kind), each.name))
    return ProjectTopology(project=project.settings.project, nodes=tuple(nodes), edges=edges)


def kind_of(declared: Declared | Responder) -> NodeKind:
    """Return what a declaration is, in a word."""
    match declared:
        case Aggregate():
            return NodeKind.AGGREGATE
        case Job():
            return NodeKind.JOB
        case Table():
            return NodeKind.TABLE
        case Process():
            return NodeKind.PROCESS
        case Subscriber():
            return NodeKind.SUBSCRIBER
        case Scheduler():
            return NodeKind.SCHEDULER
        case Responder():
            return NodeKind.RESPONDER


# -- nodes


def _with_generations(node: TopologyNode, word: RebuildWord | None) -> TopologyNode:
    if word is None:
        return node
    serving, standing = word.generations.serving, word.generations.standing
    return msgspec.structs.replace(node, generations=(serving, *(each for each in standing if each != serving)))


def _nodes(project: Project, edges: Iterable[TopologyEdge]) -> Iterator[TopologyNode]:
    yield from _topic_nodes(project, edges)
    for group, declared in project.declared.items():
        yield _place(kind_of(declared), group, group.rpartition(".")[0], declared.handlers)
    for responder in project.responders:
        yield _place(NodeKind.RESPONDER, responder.name, responder.name, responder.handlers)
    for contract in project.catalog:
        if contract.kind is Kind.QUERY:
            yield TopologyNode(
                id=node_id(NodeKind.QUERY, contract.name),
                kind=NodeKind.QUERY,
                name=contract.name,
                context=contract.namespace,
                messages=(contract.name,),
            )


def _topic_nodes(project: Project, edges: Iterable[TopologyEdge]) -> Iterator[TopologyNode]:
    """Those of owned contexts, and those of imported ones that a group reads or writes."""
    owned, met = ownership(project).owned, {end for edge in edges for end in (edge.source, edge.target)}
    names = project.settings.names
    sorts = ((Kind.COMMAND, NodeKind.COMMANDS, names.commands), (Kind.EVENT, NodeKind.EVENTS, names.events))
    for namespace in sorted({contract.namespace for contract in project.catalog}):
        for kind, node, topic in sorts:
            id = node_id(node, namespace)
            held = tuple(each.name for each in project.catalog.of_namespace(namespace, kind))
            if held and (namespace in owned or id in met):
                yield TopologyNode(
                    id=id,
                    kind=node,
                    name=topic(namespace),
                    context=namespace,
                    messages=held,
                    imported=namespace not in owned,
                )


def _place(kind: NodeKind, name: str, context: str, handled: Iterable[type[Message]]) -> TopologyNode:
    return TopologyNode(id=node_id(kind, name), kind=kind, name=name, context=context, messages=_names(handled))


# -- edges


def _edges(project: Project) -> Iterator[TopologyEdge]:
    for group, declared in project.declared.items():
        id = node_id(kind_of(declared), group)
        yield from _in(id, declared)
        if isinstance(declared, Process):
            yield from _received(id, declared)
        yield from _out(id, declared, project)
    for responder in project.responders:
        for query in responder.handlers:
            yield _answers(node_id(NodeKind.RESPONDER, responder.name), query)


def _in(id: str, declared: Declared) -> Iterator[TopologyEdge]:
    receives = isinstance(declared, Aggregate | Job)
    kind, topic = (EdgeKind.RECEIVES, NodeKind.COMMANDS) if receives else (EdgeKind.READS, NodeKind.EVENTS)
    keys: Iterable[Any] = declared.keys if isinstance(declared, Table | Process) else ()
    for namespace, messages in _by_namespace(declared.handlers):
        yield TopologyEdge(
            source=node_id(topic, namespace),
            target=id,
            kind=kind,
            messages=messages,
            rekeyed=tuple(each for each in messages if each in _names(keys)),
        )


def _received(id: str, process: Process[Any]) -> Iterator[TopologyEdge]:
    for namespace, messages in _by_namespace(process.receivers):
        yield _edge(node_id(NodeKind.COMMANDS, namespace), id, EdgeKind.RECEIVES, messages)


def _out(id: str, declared: Declared, project: Project) -> Iterator[TopologyEdge]:
    if isinstance(declared, Aggregate):
        emitted = tuple(each.name for each in project.catalog.of_namespace(declared.namespace, Kind.EVENT))
        if emitted:
            yield _edge(id, node_id(NodeKind.EVENTS, declared.namespace), EdgeKind.EMITS, emitted)
    if isinstance(declared, Subscriber | Job):
        for namespace, messages in _by_namespace(declared.publishes):
            yield _edge(id, node_id(NodeKind.EVENTS, namespace), EdgeKind.EMITS, messages)
    if isinstance(declared, Subscriber | Job | Process):
        for namespace, messages in _by_namespace(declared.sends):
            yield _edge(id, node_id(NodeKind.COMMANDS, namespace), EdgeKind.SENDS, messages)
    if isinstance(declared, Scheduler):
        commands = project.catalog.of_namespace(declared.namespace, Kind.COMMAND)
        later = tuple(each.name for each in commands if each.schedulable)
        yield _edge(id, node_id(NodeKind.COMMANDS, declared.namespace), EdgeKind.SENDS, later)
    if isinstance(declared, Process):
        for namespace, messages in _by_namespace(declared.outcomes):
            yield _edge(_receiver(project, namespace), id, EdgeKind.OUTCOMES, messages)
    if isinstance(declared, Table):
        yield from (_answers(id, query) for query in declared.answers)


def _receiver(project: Project, namespace: str) -> str:
    """The group that decides the commands of a namespace; their topic, where that is another project's."""
    for group, declared in project.declared.items():
        if isinstance(declared, Aggregate | Job | Process) and declared.namespace == namespace:
            return node_id(kind_of(declared), group)
    return node_id(NodeKind.COMMANDS, namespace)


def _edge(source: str, target: str, kind: EdgeKind, messages: tuple[str, ...]) -> TopologyEdge:
    return TopologyEdge(source=source, target=target, kind=kind, messages=messages)


def _answers(id: str, query: type[Message]) -> TopologyEdge:
    name = query.__contract__
    return _edge(id, node_id(NodeKind.QUERY, name), EdgeKind.ANSWERS, (name,))


def _by_namespace(messages: Iterable[type[Message]]) -> list[tuple[str, tuple[str, ...]]]:
    found: dict[str, list[str]] = {}
    for name in _names(messages):
        found.setdefault(name.rpartition(".")[0], []).append(name)
    return [(namespace, tuple(names)) for namespace, names in found.items()]


def _names(messages: Iterable[type[Message]]) -> tuple[str, ...]:
    return tuple(sorted(each.__contract__ for each in messages))
