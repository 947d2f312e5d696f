"""What each declared group needs on the cluster: the one description that `deploy`, ACLs and workers go by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Flag, auto
from typing import Any

from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import STATE, Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.requirements import cancelling
from verbwire.declarations.scheduler import PENDING, Scheduler
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.messages import Kind, Message
from verbwire.names import Names
from verbwire.wire.records.parked import PARKED_RECORD
from verbwire.wire.records.requests import REQUEST
from verbwire.wire.records.scheduled import SCHEDULED
from verbwire.wire.records.workers import WORKER
from verbwire.wire.topics import (
    CHANGELOG,
    COMMANDS,
    DEAD_LETTERS,
    EVENTS,
    OUTCOMES,
    PARKED,
    REPARTITION,
    REPLIES,
    REQUESTS,
    REQUEUED,
    WORKERS,
)

_SHARED_PARTITIONS = 12


class Use(Flag):
    """What a group does with a topic."""

    READ = auto()
    WRITE = auto()
    RESTORE = auto()  # reads it to know where it was, and commits no offsets of it


@dataclass(frozen=True)
class Topic:
    """A topic as it should be. `use` is what the group does with it whose own it is."""

    name: str
    partitions: int
    settings: Mapping[str, str]
    use: Use = Use.READ | Use.WRITE


_KEPT = Use.READ | Use.WRITE | Use.RESTORE  # what it knows stands there


@dataclass(frozen=True)
class GroupPlan:
    """A group that a project runs: `reads` commands or events of its `namespaces`, and keeps `tables`.

    `group` and `tables` are names as declared, without the prefix. `outcomes` are the namespaces, and schedulers, whose
    outcome logs it reads besides. `rekeys` says that it repartitions its records by another key, `requeues` that dead
    letters may be requeued to it. `heeds` says that operators may ask something of it by its topic of requests, `parks`
    that it parks records. `receives` are the namespaces whose commands it answers beside its events, `sends` those
    whose commands it sends, `publishes` those whose events it publishes, `defers` those whose commands it may send for
    later. `schedules` is the namespace whose scheduler it is.
    """

    group: str
    reads: Kind
    namespaces: tuple[str, ...]
    tables: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    rekeys: bool = False
    requeues: bool = False
    heeds: bool = False
    parks: bool = False
    receives: tuple[str, ...] = ()
    sends: tuple[str, ...] = ()
    publishes: tuple[str, ...] = ()
    defers: tuple[str, ...] = ()
    schedules: str = ""

    @classmethod
    def of(cls, declared: Declared, catalog: Catalog) -> GroupPlan:
        """Return what a declared group needs."""
        plan = cls._of(declared, catalog)
        sent = getattr(declared, "sends", ())
        return replace(plan, defers=_namespaces([each for each in sent if catalog.of(each).schedulable]))

    @classmethod
    def _of(cls, declared: Declared, catalog: Catalog) -> GroupPlan:
        match declared:
            case Scheduler():
                own = (declared.namespace,)
                return cls(declared.group, Kind.COMMAND, (), (PENDING,), sends=own, schedules=declared.namespace)
            case Aggregate():
                own = (declared.namespace,)
                publishes = own if catalog.of_namespace(declared.namespace, Kind.EVENT) else ()
                return cls(declared.group, Kind.COMMAND, own, (STATE,), publishes=publishes)
            case Job() | Subscriber():
                kind, read = (
                    (Kind.COMMAND, (declared.namespace,))
                    if isinstance(declared, Job)
                    else (Kind.EVENT, tuple(declared.sources))
                )
                sent, published = _namespaces(declared.sends), _namespaces(declared.publishes)
                plan = cls(declared.group, kind, read, requeues=True, sends=sent, publishes=published)
                parks = isinstance(declared, Subscriber) and declared.parking is not None
                return replace(plan, heeds=parks, parks=parks)
            case Process():
                heard, sent = tuple(declared.sources), _namespaces(declared.sends)
                outcomes = (*declared.answering, *cancelling(declared, catalog))
                plan = cls(declared.group, Kind.EVENT, heard, (declared.table,), outcomes, rekeys=True, sends=sent)
                receives = (declared.namespace,) if declared.namespace else ()
                return replace(plan, heeds=True, parks=declared.parking is not None, receives=receives)
            case Table():
                rekeys, heard = bool(declared.keys), tuple(declared.sources)
                plan = cls(declared.group, Kind.EVENT, heard, (declared.table,), rekeys=rekeys)
                return replace(plan, heeds=True, parks=declared.parking is not None)

    @classmethod
    def folding(cls, aggregate: Aggregate[Any]) -> GroupPlan:
        """Return what a generation of an aggregate's states needs, that is folded from its events."""
        return cls(aggregate.group, Kind.EVENT, (aggregate.namespace,), (STATE,))

    @property
    def decides(self) -> bool:
        """Whether it is an aggregate: commands in, a state, and an outcome for each in the outcome log."""
        return self.reads is Kind.COMMAND and bool(self.tables) and not self.schedules

    @property
    def transactional(self) -> bool:
        """Whether it writes in transactions: all that it writes, or the outcomes of a job's commands."""
        return bool(self.tables) or self.reads is Kind.COMMAND

    def inputs(self, names: Names) -> list[str]:
        """The topics that it reads, those of its own aside; all of them have the same number of partitions."""
        topic = names.commands if self.reads is Kind.COMMAND else names.events
        heard = [*(topic(namespace) for namespace in self.namespaces), *map(names.outcomes, self.outcomes)]
        return [*heard, *map(names.commands, self.receives)]

    def sized_by(self, names: Names) -> list[str]:
        """The topics that decide how many partitions its own have: its inputs, of a scheduler the commands' topic."""
        return [names.commands(self.schedules)] if self.schedules else self.inputs(names)

    def outcome_logs(self, names: Names) -> list[str]:
        """The topics that hold the outcomes of what it decides; it reads them, too, to know what it has answered."""
        return [names.outcomes(namespace) for namespace in self.decided]

    @property
    def decided(self) -> tuple[str, ...]:
        """The namespaces whose commands have their outcomes from it."""
        return self.namespaces if self.reads is Kind.COMMAND else self.receives

    def outputs(self, names: Names) -> list[str]:
        """The topics of others that it writes, and the events of its own context."""
        return [
            *map(names.events, self.publishes),
            *map(names.commands, self.sends),
            *map(names.scheduled, self.defers),
        ]

    def read(self, names: Names) -> list[str]:
        """All topics that it reads, its own included: inputs, changelogs, repartition topics, requeued dead letters."""
        own = (topic.name for topic in group_topics(names, self, 1) if Use.READ in topic.use)
        return [*self.inputs(names), *own]

    def consumed(self, names: Names) -> list[str]:
        """Those of them that it commits offsets of: what it may be behind."""
        own = (
            topic for topic in group_topics(names, self, 1) if Use.READ in topic.use and Use.RESTORE not in topic.use
        )
        return [*self.inputs(names), *(topic.name for topic in own)]


def internal_contracts(groups: Iterable[GroupPlan]) -> list[Contract]:
    """Return verbwire's own contracts that these groups write by, outcomes aside."""
    groups = [*groups]
    needed = (
        (WORKER, True),
        (REQUEST, any(each.heeds for each in groups)),
        (PARKED_RECORD, any(each.parks for each in groups)),
        (SCHEDULED, any(each.schedules for each in groups)),
    )
    return [contract for contract, is_needed in needed if is_needed]


def group_plans(declared: Iterable[Declared], catalog: Catalog) -> list[GroupPlan]:
    """Return the plans of these groups."""
    return [GroupPlan.of(each, catalog) for each in declared]


def context_topics(names: Names, catalog: Catalog, owned: Collection[str], partitions: int) -> list[Topic]:
    """Return the topics of the owned contexts, and the project's own."""
    topics: list[Topic] = []
    for namespace in sorted({contract.namespace for contract in catalog} & set(owned)):
        if catalog.of_namespace(namespace, Kind.EVENT):
            topics.append(Topic(names.events(namespace), partitions, EVENTS))
        if catalog.of_namespace(namespace, Kind.COMMAND):
            topics.append(Topic(names.commands(namespace), partitions, COMMANDS))
            topics.append(Topic(names.outcomes(namespace), partitions, OUTCOMES))
    return [
        *topics,
        Topic(names.replies(), _SHARED_PARTITIONS, REPLIES),
        Topic(names.workers(), 1, WORKERS),
    ]


def group_topics(names: Names, plan: GroupPlan, partitions: int) -> Iterable[Topic]:
    """Return the topics that are a group's own; `partitions` are those of its inputs."""
    group = names.group(plan.group)
    for table in plan.tables:
        yield Topic(names.changelog(group, table), partitions, CHANGELOG, _KEPT)
        if plan.rekeys:
            yield Topic(names.repartition(group, table), partitions, REPARTITION)
    if plan.parks:
        yield Topic(names.parked(group), partitions, PARKED, _KEPT)
    if plan.heeds:
        yield Topic(names.requests(group), partitions, REQUESTS)
    if plan.requeues:
        yield Topic(names.requeued(group), partitions, REQUEUED, Use.READ)
    if plan.schedules:
        yield Topic(names.scheduled(plan.schedules), partitions, COMMANDS, Use.READ)
        yield Topic(names.outcomes(plan.group), partitions, OUTCOMES, Use.WRITE)
    yield Topic(names.dead_letters(group), partitions, DEAD_LETTERS, Use.WRITE)


def standing_topics(names: Names, plans: Iterable[GroupPlan], standing: Mapping[str, Iterable[int]]) -> Iterable[Topic]:
    """Return the topics of all generations of rebuilt groups; `standing` are their numbers, by group as declared."""
    for plan in plans:
        for number in standing.get(plan.group, ()):
            yield from group_topics(names.of_generation(plan.group, number), plan, 1)


def _namespaces(messages: Collection[type[Message]]) -> tuple[str, ...]:
    return tuple(sorted({each.__contract__.rpartition(".")[0] for each in messages}))
