"""Lists and reads the dead letters of any group, and requeues them to the one group that could not handle them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Ack
from verbwire.client.producing.producer import Producer
from verbwire.dead_letters.grant_renewal import GrantRenewal
from verbwire.dead_letters.originals import OriginalRecords
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.errors import ConfigurationError, UnavailableError, UndecodableError
from verbwire.kafka import denials
from verbwire.kafka.readers import read_to_end, reader_properties
from verbwire.kafka.record import place_of
from verbwire.names import DEAD_LETTER_READER, Names
from verbwire.wire.headers import Headers, RawHeaders
from verbwire.wire.records.dead_letters import (
    MAX_DEAD_LETTER,
    DeadLetterRecord,
    dead_letter_headers,
    read_dead_letter,
    requeue_marker,
    requeued_offset,
)

_SECONDS = 10.0
_AT_ONCE = 200  # dead letters that are requeued before their markers are written


@dataclass(frozen=True)
class DeadLetterPlace:
    """The place of a dead letter in its group's topic of dead letters."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"

    @classmethod
    def of(cls, text: str) -> DeadLetterPlace:
        """Return the place that an operator wrote, as the list shows it."""
        partition, _, offset = text.partition("/")
        if not all(each.isascii() and each.isdigit() for each in (partition, offset)):
            raise ConfigurationError(f"{text!r} is no place of a dead letter: write partition/offset, like 0/12")
        return cls(int(partition), int(offset))


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter and its place."""

    group: str  # as declared
    place: DeadLetterPlace
    since: int  # when it became one, milliseconds
    record: DeadLetterRecord

    @property
    def type(self) -> str:
        """The full name of its contract, as its sender named it."""
        return self._header("ce_type")

    @property
    def id(self) -> str:
        """The message's id, as its sender gave it."""
        return self._header("ce_id")

    @property
    def origin(self) -> str:
        """Where the record lay, topic/partition/offset."""
        return place_of(self.record.original)

    def _header(self, name: str) -> str:
        try:
            return Headers(self.record.original.headers).text(name) or ""
        except UndecodableError:
            return "?"


@dataclass(frozen=True)
class DeadLetterPage:
    """The newest dead letters of a group that were not requeued, the oldest of them first, and how many there are."""

    dead_letters: Sequence[DeadLetter]
    total: int


class DeadLetters:
    """The dead letters of a project's groups. Close it when done."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names: Names = connection.names
        self._producer: Producer | None = None

    def close(self) -> None:
        """Let go of the broker."""
        if self._producer is not None:
            self._producer.close()

    def page(self, group: str, limit: int, again: bool = False) -> DeadLetterPage:
        """Return the newest dead letters of a group; with `again` those too that were requeued already."""
        requeued = set() if again else self._requeued(group)
        kept: deque[DeadLetter] = deque(maxlen=limit)
        total = 0
        for found in self._read(group):
            if found.place not in requeued:
                kept.append(_light(found))
                total += 1
        return DeadLetterPage(sorted(kept, key=lambda found: found.since), total)

    def one(self, group: str, place: DeadLetterPlace) -> DeadLetter:
        """Return one dead letter, whole; :class:`ConfigurationError` when there is none at this place."""
        start = TopicPartition(self._topic(group), place.partition, place.offset)
        with self._reader() as consumer:
            if place.partition >= len(self._partitions(consumer, group)):
                raise _none(group, place)
            for message in read_to_end(consumer, [start]):
                found = _found(group, message)
                if found is None or found.place != place:
                    break
                return found
        raise _none(group, place)

    def requeue(
        self, declared: Declared, places: Iterable[DeadLetterPlace] | None, again: bool = False, unchecked: bool = False
    ) -> tuple[int, list[str]]:
        """Requeue dead letters to their group, all of them where no places are given.

        Returns how many, and why others were not. One that was requeued already is left out unless `again`, one whose
        record its topic no longer keeps unless `unchecked`; one that differs from the record at its place in any case.
        Ends when the broker has them; broken off, some may be requeued a second time, with their ids.
        :class:`ConfigurationError` for a group whose records cannot be requeued.
        """
        target = _target(declared, self._names, GrantRenewal(self._connection))
        wanted = None if places is None else set(places)
        requeued = self._requeued(declared.group)
        left = [f"{place}: requeued already, --again does it once more" for place in (wanted or set()) & requeued]
        if again:
            requeued, left = set(), []
        # One by one, out of the log: there may be more than memory holds.
        chosen = (
            found
            for found in (
                self._read(declared.group) if wanted is None else self._these(declared.group, wanted - requeued)
            )
            if found.place not in requeued
        )
        count = 0
        with closing(OriginalRecords(self._consumer, target.sources)) as originals:
            while batch := list(islice(chosen, _AT_ONCE)):
                accepted = []
                for found in batch:
                    why = target.refuses(found) or originals.mismatch(found.record.original, unchecked)
                    left += [f"{found.place}: {why}"] if why else []
                    accepted += [] if why else [found]
                self._requeue(declared.group, target, accepted)
                count += len(accepted)
        return count, left

    def _these(self, group: str, places: Iterable[DeadLetterPlace]) -> Iterator[DeadLetter]:
        for place in sorted(places, key=lambda each: (each.partition, each.offset)):
            yield self.one(group, place)

    def _requeue(self, group: str, target: _Target, dead_letters: Sequence[DeadLetter]) -> None:
        producer = self._open()
        acks = [target.send(producer, found) for found in dead_letters]
        for ack in acks:
            ack.result()
        # Marked only when the broker has them: a dead letter may be requeued twice, never lost.
        topic = self._topic(group)
        requeued = [
            producer.produce(
                topic, found.record.original.key, None, requeue_marker(found.place.offset), "", found.place.partition
            )
            for found in dead_letters
        ]
        for marker in requeued:
            marker.result()

    def _open(self) -> Producer:
        if self._producer is None:
            kafka = {**self._connection.kafka, "message.max.bytes": MAX_DEAD_LETTER}
            self._producer = Producer(replace(self._connection, kafka=kafka))
        return self._producer

    def _requeued(self, group: str) -> set[DeadLetterPlace]:
        found = set()
        for message in self._messages(group):
            offset = requeued_offset(message.headers() or ())
            if offset is not None:
                found.add(DeadLetterPlace(message.partition() or 0, offset))
        return found

    def _read(self, group: str) -> Iterator[DeadLetter]:
        for message in self._messages(group):
            if (found := _found(group, message)) is not None:
                yield found

    def _messages(self, group: str) -> Iterator[Message]:
        topic = self._topic(group)
        with self._reader() as consumer:
            partitions = self._partitions(consumer, group)
            yield from read_to_end(consumer, [TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions])

    def _partitions(self, consumer: Consumer, group: str) -> Mapping[int, object]:
        topic = self._topic(group)
        try:
            found = consumer.list_topics(topic, timeout=_SECONDS).topics[topic]
        except KafkaException as error:
            raise UnavailableError(f"the broker cannot be reached: {error.args[0].str()}") from error
        if found.error is not None:
            what, otherwise = f"TOPIC {topic}", f"{topic} cannot be read, run `verbwire deploy`"
            raise denials.unavailable(found.error, "READ", what, otherwise)
        partitions: Mapping[int, object] = found.partitions
        return partitions

    @contextmanager
    def _reader(self) -> Iterator[Consumer]:
        consumer = self._consumer()
        try:
            yield consumer
        finally:
            consumer.close()

    def _consumer(self) -> Consumer:
        kafka = {**self._connection.kafka, "bootstrap.servers": self._connection.bootstrap}
        return Consumer(
            reader_properties(
                kafka,
                DEAD_LETTER_READER,
                fetch_wait_max_ms=50,
                queued_max_messages_kbytes=16_384,
                fetch_message_max_bytes=MAX_DEAD_LETTER,
            )
        )

    def _topic(self, group: str) -> str:
        return self._names.dead_letters(self._names.group(group))


@dataclass(frozen=True)
class _Target:
    """Where the dead letters of one group are requeued."""

    topic: str
    takes_dead_letters: bool  # with place and reason as headers, or as the records that they were
    sources: frozenset[str]  # topics that its dead letters may come from
    renewal: GrantRenewal | None = None  # of the grants of commands, which are signed again

    def refuses(self, found: DeadLetter) -> str | None:
        """Return why this one would only become a dead letter again, or None."""
        if found.record.is_stub:
            return f"it does not hold its record, which was too large: send what is at {found.origin} again"
        if found.record.reason == "id-reused" and not self.takes_dead_letters:
            return "its id was answered with another payload: send it again, under an id of its own"
        return None if self.renewal is None else self.renewal.refuses(found.record.original)

    def send(self, producer: Producer, found: DeadLetter) -> Ack:
        """Produce it: key, value and headers are those of the record that it was."""
        record = found.record
        original = record.original
        headers: RawHeaders = [*original.headers]
        if self.takes_dead_letters:
            headers = dead_letter_headers(original, record.reason, record.detail)
        elif self.renewal is not None:
            headers = self.renewal.headers(original)
        return producer.produce(self.topic, original.key, original.value, headers, "", original.partition)


def _target(declared: Declared, names: Names, renewal: GrantRenewal) -> _Target:
    match declared:
        case Subscriber():
            sources = frozenset(map(names.events, declared.sources))
            return _Target(names.requeued(names.group(declared.group)), True, sources)
        case Job():
            commands = names.commands(declared.namespace)
            return _Target(names.requeued(names.group(declared.group)), True, frozenset({commands}))
        case Aggregate():
            commands = names.commands(declared.namespace)
            return _Target(commands, False, frozenset({commands}), renewal)
        case Table() | Process():
            raise ConfigurationError(
                f"{declared.group} counts records in the order of their log, one that comes later would count twice or "
                "at the wrong time. Mend it by an event, or mend the handler and rebuild it"
            )


def _found(group: str, message: Message) -> DeadLetter | None:
    try:
        record = read_dead_letter(message.key(), message.value(), message.headers() or ())
    except UndecodableError:
        return None
    if record is None:
        return None
    place = DeadLetterPlace(message.partition() or 0, message.offset() or 0)
    return DeadLetter(group, place, message.timestamp()[1], record)


def _light(found: DeadLetter) -> DeadLetter:
    """Return it without its payload, for a list: payloads may be large, and there may be many."""
    original = replace(found.record.original, value=None)
    return replace(found, record=replace(found.record, original=original))


def _none(group: str, place: DeadLetterPlace) -> ConfigurationError:
    return ConfigurationError(
        f"there is no dead letter of {group} at {place}: `verbwire dead-letters list {group}` lists them"
    )
