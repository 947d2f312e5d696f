"""Lists and reads the dead letters of any group, and requeues them to the one group that could not handle them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Ack
from verbwire.client.producing.producer import Producer
from verbwire.dead_letters.grant_renewal import GrantRenewal
from verbwire.dead_letters.journal import MOST_ROUNDS, Journal
from verbwire.dead_letters.letter import DeadLetter, DeadLetterPlace
from verbwire.dead_letters.originals import OriginalRecords
from verbwire.dead_letters.selection import ANY, AsOf, Choice, LetterFilter
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.errors import ConfigurationError, UnavailableError, UndecodableError
from verbwire.kafka import denials
from verbwire.kafka.readers import read_to_end, reader_properties
from verbwire.names import DEAD_LETTER_READER, Names
from verbwire.wire.headers import RawHeaders
from verbwire.wire.records.dead_letters import (
    MAX_DEAD_LETTER,
    Discarded,
    dead_letter_headers,
    discard_marker,
    read_dead_letter,
    requeue_marker,
)

_SECONDS = 10.0
_AT_ONCE = 200  # dead letters that are requeued before their markers are written


@dataclass(frozen=True)
class DeadLetterPage:
    """The newest dead letters of a group that are meant, the oldest of them first, and how many there are.

    `as_of` is how far their topic was read, `discarded` what is known of those that were discarded.
    """

    dead_letters: Sequence[DeadLetter]
    total: int
    as_of: AsOf
    discarded: Mapping[DeadLetterPlace, Discarded]


@dataclass(frozen=True)
class Requeueing:
    """How dead letters are requeued.

    `again`: those too that were requeued already; `unchecked`: those too whose record its topic no longer keeps;
    `insist`: those too that came back as often as :data:`MOST_ROUNDS` says. `rate` is how many a second at most, and
    with `dry_run` it is only told what would be done.
    """

    again: bool = False
    unchecked: bool = False
    insist: bool = False
    rate: int | None = None
    dry_run: bool = False

    @property
    def at_once(self) -> int:
        """How many are requeued before their markers are written."""
        return min(_AT_ONCE, self.rate or _AT_ONCE)

    def refuses(self, rounds: int) -> str | None:
        """Return why one whose message was requeued so often is not requeued again, or None."""
        if self.insist or rounds < MOST_ROUNDS:
            return None
        return f"its message was requeued {rounds} times and came back: mend its handler first, --insist requeues it"

    def pause(self, count: int, began: float) -> None:
        """Wait until so many have taken as long as they should."""
        if self.rate:
            time.sleep(max(0.0, count / self.rate - (time.monotonic() - began)))


Told: TypeAlias = Callable[[DeadLetter], object]


def _nobody(_: DeadLetter) -> None:
    """Tell nobody."""


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

    def page(self, group: str, limit: int, again: bool = False, where: LetterFilter = ANY) -> DeadLetterPage:
        """Return the newest dead letters of a group; with `again` those too that were requeued or discarded already."""
        journal = self._journal(group)
        kept: deque[DeadLetter] = deque(maxlen=limit)
        total = 0
        for found in self._chosen(group, Choice(None, where, journal.as_of)):
            if again or not journal.settled(found.place):
                kept.append(_light(found))
                total += 1
        return DeadLetterPage(sorted(kept, key=lambda found: found.since), total, journal.as_of, journal.discarded)

    def discarded(self, letter: DeadLetter) -> Discarded | None:
        """Return who discarded a dead letter, when and why; None where nobody has."""
        return self._journal(letter.group).discarded.get(letter.place)

    def as_of(self, group: str) -> AsOf:
        """Return how far the topic of a group's dead letters has come: a choice of those up to there stays the same."""
        return self._journal(group).as_of

    def every(
        self, group: str, where: LetterFilter = ANY, again: bool = False, behind: DeadLetterPlace | None = None
    ) -> Iterator[DeadLetter]:
        """Yield the dead letters of a group, whole, those `behind` a place; `again` as in :meth:`page`.

        In the order of their places, one partition after the other.
        """
        journal = self._journal(group)
        choice = Choice(None, where, journal.as_of)
        for partition in sorted(journal.as_of.ends):
            if behind is not None and partition < behind.partition:
                continue
            start = behind.offset + 1 if behind is not None and partition == behind.partition else None
            for found in self._read(group, partition, start):
                if choice.has(found) and (again or not journal.settled(found.place)):
                    yield found

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
        self, declared: Declared, choice: Choice, how: Requeueing = Requeueing(), told: Told = _nobody
    ) -> tuple[int, list[str]]:
        """Requeue dead letters to their group: those that are chosen, and that nothing was done with.

        Returns how many, and why others were not. One that was discarded is left out in any case, as is one that
        differs from the record at its place; :class:`Requeueing` says what else is. `told` is called with each of them.
        Ends when the broker has them; broken off, some may be requeued a second time, with their ids.
        :class:`ConfigurationError` for a group whose records cannot be requeued.
        """
        target, group = _target(declared, self._names, GrantRenewal(self._connection)), declared.group
        journal = self._journal(group)
        left = self._left(group, choice, journal, how.again)
        pending, count = self._pending(group, choice, journal, how.again), 0
        with closing(OriginalRecords(self._consumer, target.sources)) as originals:
            while batch := list(islice(pending, how.at_once)):
                began, accepted = time.monotonic(), []
                for found, rounds in batch:
                    why = target.refuses(found) or how.refuses(rounds)
                    why = why or originals.mismatch(found.record.original, how.unchecked)
                    if why is None:
                        accepted.append(found)
                        told(found)
                    else:
                        left.append(f"{found.place}: {why}")
                count += len(accepted)
                if not how.dry_run:
                    self._requeue(group, target, accepted)
                    how.pause(len(accepted), began)
        return count, left

    def discard(
        self, group: str, choice: Choice, who: str, why: str, dry_run: bool = False, told: Told = _nobody
    ) -> tuple[int, list[str]]:
        """Discard dead letters: those that are chosen, and that nothing was done with. They stay, and can be read.

        Returns how many, and why others were not. Who, when and why is kept beside them, for as long as they are.
        """
        if not why.strip():
            raise ConfigurationError("say why they are discarded: whoever looks for them later has nothing else")
        journal, count = self._journal(group), 0
        left = self._left(group, choice, journal, again=False)
        pending = self._pending(group, choice, journal, again=False)
        while batch := [found for found, _ in islice(pending, _AT_ONCE)]:
            for found in batch:
                told(found)
            if not dry_run:
                self._mark(group, batch, lambda found: discard_marker(found.place.offset, who, why))
            count += len(batch)
        return count, left

    def _left(self, group: str, choice: Choice, journal: Journal, again: bool) -> list[str]:
        """Why some that were named are left alone; ConfigurationError where one is not there."""
        named = sorted(choice.places or (), key=lambda each: (each.partition, each.offset))
        for place in named:
            self.one(group, place)
        return journal.why_left(named, again)

    def _pending(self, group: str, choice: Choice, journal: Journal, again: bool) -> Iterator[tuple[DeadLetter, int]]:
        """Yield what something may be done with, and how often its message was requeued before.

        One by one, out of the log: there may be more than memory holds.
        """
        meant = choice if choice.as_of else replace(choice, as_of=journal.as_of)
        rounds: Counter[str] = Counter()  # of a message the dead letters are in one partition, one after another
        for found in self._read(group):
            requeued = found.place in journal.requeued
            rounds.update([found.identity] if requeued else [])
            if meant.has(found) and found.place not in journal.discarded and (again or not requeued):
                yield found, rounds[found.identity]

    def _requeue(self, group: str, target: _Target, dead_letters: Sequence[DeadLetter]) -> None:
        producer = self._open()
        acks = [target.send(producer, found) for found in dead_letters]
        for ack in acks:
            ack.result()
        # Marked only when the broker has them: a dead letter may be requeued twice, never lost.
        self._mark(group, dead_letters, lambda found: requeue_marker(found.place.offset))

    def _mark(self, group: str, dead_letters: Sequence[DeadLetter], marker: Callable[[DeadLetter], RawHeaders]) -> None:
        producer, topic = self._open(), self._topic(group)
        marked = [
            producer.produce(topic, found.record.original.key, None, marker(found), "", found.place.partition)
            for found in dead_letters
        ]
        for each in marked:
            each.result()

    def _open(self) -> Producer:
        if self._producer is None:
            kafka = {**self._connection.kafka, "message.max.bytes": MAX_DEAD_LETTER}
            self._producer = Producer(replace(self._connection, kafka=kafka))
        return self._producer

    def _journal(self, group: str) -> Journal:
        found = Journal()
        for message in self._messages(group):
            found.note(message)
        return found

    def _chosen(self, group: str, choice: Choice) -> Iterator[DeadLetter]:
        return (found for found in self._read(group) if choice.has(found))

    def _read(self, group: str, partition: int | None = None, start: int | None = None) -> Iterator[DeadLetter]:
        for message in self._messages(group, partition, start):
            if (found := _found(group, message)) is not None:
                yield found

    def _messages(self, group: str, only: int | None = None, start: int | None = None) -> Iterator[Message]:
        topic, begin = self._topic(group), OFFSET_BEGINNING if start is None else start
        with self._reader() as consumer:
            partitions = self._partitions(consumer, group) if only is None else [only]
            yield from read_to_end(consumer, [TopicPartition(topic, each, begin) for each in partitions])

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
        return Consumer(
            reader_properties(
                self._connection.librdkafka,
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
        case Scheduler():
            scheduled = names.scheduled(declared.namespace)
            return _Target(scheduled, False, frozenset({scheduled}))
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
