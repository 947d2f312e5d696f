"""The topics of a project and their settings: what they hold, for how long, in how many partitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Flag, auto

from verbwire.contracts.schema.model import Catalog
from verbwire.messages import Kind
from verbwire.names import Names

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_SHARED_PARTITIONS = 12

# Kafka deletes and compacts whole closed segments only, and by default closes them after 1 GiB or 7 days.
EVENTS = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",  # event times are held against the broker's clock, not a producer's
}
MAX_LETTER = 4 * 1024 * 1024
"""The most bytes of a record that holds another: the largest of a source, and where it came from, or why it failed."""

COMMANDS = {
    "cleanup.policy": "delete",
    "retention.ms": str(30 * _DAY),
    "segment.ms": str(_DAY),
    "message.timestamp.type": "LogAppendTime",  # deadlines are measured by the broker's clock, not by the sender's
}
OUTCOMES = {"cleanup.policy": "delete", "retention.ms": str(7 * _DAY), "segment.ms": str(_DAY)}
CHANGELOG = {
    "cleanup.policy": "compact",
    "segment.bytes": str(50 * 1024 * 1024),
    "segment.ms": str(6 * _HOUR),
    "min.cleanable.dirty.ratio": "0.2",  # restoring reads what is not compacted yet
    "delete.retention.ms": str(7 * _DAY),  # a local store older than half of this is rebuilt
}
REPARTITION = {
    "cleanup.policy": "delete",
    "retention.ms": str(7 * _DAY),
    "segment.ms": str(_DAY),
    "max.message.bytes": str(MAX_LETTER),
}
RETRIES = REPARTITION
REPLIES = {"cleanup.policy": "delete", "retention.ms": str(_HOUR), "segment.ms": str(10 * _MINUTE)}
DEAD_LETTERS = {
    "cleanup.policy": "delete",
    "retention.ms": str(90 * _DAY),
    "segment.ms": str(7 * _DAY),
    "max.message.bytes": str(MAX_LETTER),
}
WORKERS = {
    "cleanup.policy": "compact",
    "segment.bytes": str(1024 * 1024),
    "segment.ms": str(_HOUR),
    "message.timestamp.type": "LogAppendTime",  # who is silent for long is told by one clock, the broker's
}


class Use(Flag):
    """What a group does with a topic."""

    READ = auto()
    WRITE = auto()


@dataclass(frozen=True)
class Topic:
    """A topic as it should be. `use` is what the group does with it whose own it is."""

    name: str
    partitions: int
    settings: Mapping[str, str]
    use: Use = Use.READ | Use.WRITE


@dataclass(frozen=True)
class GroupPlan:
    """A group that a project runs: `reads` commands or events of its `namespaces`, and keeps `tables`.

    `group` and `tables` are names as declared, without the prefix. `outcomes` are the namespaces whose ledgers it reads
    besides. `rekeys` says that it gives records to itself under another key, `retries` that dead letters may be handed
    to it again. `sends` are the namespaces whose commands it sends, `publishes` those whose events it publishes.
    """

    group: str
    reads: Kind
    namespaces: tuple[str, ...]
    tables: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    rekeys: bool = False
    retries: bool = False
    sends: tuple[str, ...] = ()
    publishes: tuple[str, ...] = ()

    @property
    def decides(self) -> bool:
        """Whether it is an aggregate: commands in, a state, and an outcome for each in the ledger."""
        return self.reads is Kind.COMMAND and bool(self.tables)

    @property
    def transactional(self) -> bool:
        """Whether the engine runs it: what it writes, and how far it has read, in one transaction."""
        return bool(self.tables)

    def inputs(self, names: Names) -> list[str]:
        """The topics that it reads, those of its own aside; all of them have the same number of partitions."""
        topic = names.commands if self.reads is Kind.COMMAND else names.events
        return [*(topic(namespace) for namespace in self.namespaces), *map(names.outcomes, self.outcomes)]

    def ledgers(self, names: Names) -> list[str]:
        """The topics that hold the outcomes of what it decides; it reads them, too, to know what it has answered."""
        return [names.outcomes(namespace) for namespace in self.namespaces] if self.decides else []

    def outputs(self, names: Names) -> list[str]:
        """The topics of others that it writes, and the events of its own context."""
        return [*map(names.events, self.publishes), *map(names.commands, self.sends)]


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
        yield Topic(names.changelog(group, table), partitions, CHANGELOG)
        if plan.rekeys:
            yield Topic(names.repartition(group, table), partitions, REPARTITION)
    if plan.retries:
        yield Topic(names.retries(group), partitions, RETRIES, Use.READ)
    yield Topic(names.dead_letters(group), partitions, DEAD_LETTERS, Use.WRITE)
