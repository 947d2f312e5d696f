"""The records of a topic, a context, or of one message, decoded: from a point on to now, or as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import TopicPartition

from verbwire.errors import ConfigurationError, ContractError
from verbwire.inspection.reading.cluster import TP, OpenCluster
from verbwire.inspection.reading.keys import key_candidates
from verbwire.inspection.reading.known_topics import KnownTopic, namespaces_of
from verbwire.inspection.reading.records import RecordView, RecordViews
from verbwire.inspection.reading.rows import row_contracts
from verbwire.kafka.readers import consumed, is_end, unreadable
from verbwire.messages import Kind
from verbwire.wire.partitioner import partition_of

BEGINNING, END = "beginning", "end"
_POLL_SECONDS = 0.2
_MESSAGES = {Kind.COMMAND: "commands", Kind.EVENT: "events"}


@dataclass(frozen=True)
class TailQuestion:
    """Which records are wanted. `since` is in milliseconds, or :data:`BEGINNING` or :data:`END`.

    `where` are fields and the texts of their values, all of which a record must have; ``total.currency`` is a field of
    a field, ``lines.0`` the first of a list.
    """

    topics: tuple[str, ...]
    type: str | None = None  # full name of the one message that is wanted
    since: int | str = BEGINNING
    where: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    follow: bool = False


def target_of(cluster: OpenCluster, name: str) -> tuple[tuple[str, ...], str | None]:
    """Return the topics that a name means, and the message where it is one's.

    A name is looked for among the topics, then the contexts, then the messages (by full name, or an end of it).
    :class:`ConfigurationError` where it is none of them.
    """
    if name in cluster.topics:
        return (name,), None
    found = [each.name for each in cluster.topics.values() if each.owner == name and _of_context(each)]
    if found:
        return tuple(found), None
    try:
        contract = cluster.project.catalog.find(name)
    except ContractError as error:
        contexts = ", ".join(namespaces_of(cluster.project))
        raise ConfigurationError(f"{name} is no topic, no context ({contexts}), and no message: {error}") from None
    if contract.kind not in _MESSAGES:
        raise ConfigurationError(
            f"{contract.name} is of kind {contract.kind}: name a command or an event, or the topic that holds it"
        )
    names = cluster.codec.names
    topic = names.commands if contract.kind is Kind.COMMAND else names.events
    return (topic(contract.namespace),), contract.name


@dataclass
class TailCounts:
    """What was read so far. `uncompared` could not be decoded, so that nothing is known of the wanted fields."""

    records: int = 0
    uncompared: int = 0


class TailReader:
    """Reads the records that a question wants. `counts` moves while it does."""

    def __init__(self, cluster: OpenCluster, question: TailQuestion) -> None:
        self.counts = TailCounts()
        self._cluster = cluster
        self._question = question
        self._views = RecordViews(cluster.codec, cluster.topics, row_contracts(cluster.project))
        self._keys: dict[str, frozenset[bytes]] = {}

    def read(self, step: Callable[[], None] = lambda: None) -> Iterator[RecordView]:
        """Yield them, each partition in its order. With `follow` it goes on for ever.

        `step` is called for each record that was read, wanted or not. :class:`UnavailableError` when a topic is not
        there or cannot be read.
        """
        question, places = self._question, self._places()
        begin = question.since if isinstance(question.since, int) else None
        spans = self._cluster.spans(places, since=begin)
        starts = {place: span.end if question.since == END else span.start for place, span in spans.items()}
        messages = (
            self._follow(starts) if question.follow else self._cluster.read(spans if question.since != END else {})
        )
        for message in messages:
            self.counts.records += 1
            step()
            record = consumed(message)
            keys = self._keys.get(record.topic)
            if keys is None or record.key in keys:
                view = self._views.view(record)
                if self._is_wanted(view):
                    yield view

    def _places(self) -> list[TP]:
        """Return the partitions to read; those of the key alone, where one is wanted and tells them."""
        places: list[TP] = []
        for topic in self._question.topics:
            partitions = self._cluster.partitions_of(topic)
            chosen: Sequence[int] | set[int] = range(partitions)
            if self._question.key is not None:
                keys = key_candidates(self._cluster, topic, self._question.key)
                self._keys[topic] = frozenset(keys)
                if is_placed_by_key(self._cluster.topics.get(topic)):
                    chosen = {partition_of(key, partitions) for key in keys}
            places += [(topic, each) for each in sorted(chosen)]
        return places

    def _follow(self, starts: Mapping[TP, int]) -> Iterator[Any]:
        with closing(self._cluster.consumer()) as consumer:
            consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
            while True:
                message = consumer.poll(_POLL_SECONDS)
                if message is None or is_end(message):
                    continue
                error = message.error()
                if error is None:
                    yield message
                elif not error.retriable():
                    raise unreadable(message.topic() or next(iter(starts))[0], error)

    def _is_wanted(self, view: RecordView) -> bool:
        if view.unreadable is not None:  # of what kind it is, or what it says, is not known: it is never left out
            self.counts.uncompared += bool(self._question.where)
            return True
        if self._question.type is not None and view.type != self._question.type:
            return False
        return all(value_text(view.message, path) == wanted for path, wanted in self._question.where.items())


def value_text(message: Any, path: str) -> str | None:
    """Return a field's value as text, as JSON has numbers, null and booleans; None where there is no such field."""
    for part in path.split("."):
        if isinstance(message, Mapping) and part in message:
            message = message[part]
        elif isinstance(message, list) and part.isdecimal() and int(part) < len(message):
            message = message[int(part)]
        else:
            return None
    if message is None or isinstance(message, bool):
        return {None: "null", True: "true", False: "false"}[message]
    return str(message)


def is_placed_by_key(topic: KnownTopic | None) -> bool:
    """Whether a record's key tells its partition, whatever the topic.

    Not of windows' rows, which stand where the key that they count stands, nor of outcomes, dead letters and processes'
    states, which stand where their command, record or event does.
    """
    return topic is not None and topic.holds in ("command", "event", "repartitioned")


def _of_context(topic: KnownTopic) -> bool:
    return topic.holds in ("command", "event", "outcome")
