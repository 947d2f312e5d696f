"""Dead letters of any group: listed, read, and handed back to the one group that could not handle them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

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
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.place import place_of
from verbwire.names import LETTERS_READER, Names
from verbwire.wire.headers import Headers, RawHeaders
from verbwire.wire.records.dead_letters import Letter, letter_headers, mark_headers, marked, read_letter
from verbwire.wire.topics import MAX_LETTER

_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
_AT_ONCE = 200  # letters that are handed back before their marks are written
_SETTINGS = {
    "group.id": LETTERS_READER,
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 50,
    "queued.max.messages.kbytes": 16_384,
    "fetch.message.max.bytes": MAX_LETTER,
    **LOGGED,
    "log_level": 3,
}


@dataclass(frozen=True)
class DeadLetterPlace:
    """Where a letter lies among its group's dead letters."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"

    @classmethod
    def of(cls, text: str) -> DeadLetterPlace:
        """Return the place that a person wrote, as the list shows it."""
        partition, _, offset = text.partition("/")
        if not all(each.isascii() and each.isdigit() for each in (partition, offset)):
            raise ConfigurationError(f"{text!r} is no place of a dead letter: write partition/offset, like 0/12")
        return cls(int(partition), int(offset))


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter, and where it lies."""

    group: str  # as declared
    place: DeadLetterPlace
    since: int  # when it became one, milliseconds
    letter: Letter

    @property
    def type(self) -> str:
        """The full name of its contract, as its sender said."""
        return self._header("ce_type")

    @property
    def id(self) -> str:
        """The message's id, as its sender gave it."""
        return self._header("ce_id")

    @property
    def origin(self) -> str:
        """Where the record lay, topic/partition/offset."""
        return place_of(self.letter.original)

    def _header(self, name: str) -> str:
        try:
            return Headers(self.letter.original.headers).text(name) or ""
        except UndecodableError:
            return "?"


@dataclass(frozen=True)
class DeadLetterPage:
    """The newest letters of a group that nobody has handed back, the oldest of them first, and how many there are."""

    letters: Sequence[DeadLetter]
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
        """Return the newest letters of a group; with `again` those too that were handed back already."""
        retried = set() if again else self._marks(group)
        kept: deque[DeadLetter] = deque(maxlen=limit)
        total = 0
        for found in self._read(group):
            if found.place not in retried:
                kept.append(_light(found))
                total += 1
        return DeadLetterPage(sorted(kept, key=lambda found: found.since), total)

    def one(self, group: str, place: DeadLetterPlace) -> DeadLetter:
        """Return one letter, whole; :class:`ConfigurationError` when none lies there."""
        start = TopicPartition(self._topic(group), place.partition, place.offset)
        with self._reader() as consumer:
            if place.partition >= len(self._partitions(consumer, group)):
                raise _none(group, place)
            for message in _until_end(consumer, [start]):
                found = _found(group, message)
                if found is None or found.place != place:
                    break
                return found
        raise _none(group, place)

    def retry(
        self, declared: Declared, places: Iterable[DeadLetterPlace] | None, again: bool = False, unchecked: bool = False
    ) -> tuple[int, list[str]]:
        """Hand letters back to their group, all of them where no places are given.

        Returns how many, and why others were not. A letter that was handed back already is left out unless `again`,
        one whose record its topic no longer keeps unless `unchecked`; one that is not what lies at its place in any
        case. Ends when the broker has them; broken off, some may be handed back a second time, with their ids.
        :class:`ConfigurationError` for a group that takes nothing back.
        """
        target = _target(declared, self._names, GrantRenewal(self._connection))
        wanted = None if places is None else set(places)
        marks = self._marks(declared.group)
        left = [f"{place}: handed back already, --again does it once more" for place in (wanted or set()) & marks]
        if again:
            marks, left = set(), []
        # One by one, out of the log: there may be more than memory holds.
        chosen = (
            found
            for found in (self._read(declared.group) if wanted is None else self._these(declared.group, wanted - marks))
            if found.place not in marks
        )
        count = 0
        with closing(OriginalRecords(self._consumer, target.sources)) as originals:
            while batch := list(islice(chosen, _AT_ONCE)):
                back = []
                for found in batch:
                    why = target.refuses(found) or originals.mismatch(found.letter.original, unchecked)
                    left += [f"{found.place}: {why}"] if why else []
                    back += [] if why else [found]
                self._hand_back(declared.group, target, back)
                count += len(back)
        return count, left

    def _these(self, group: str, places: Iterable[DeadLetterPlace]) -> Iterator[DeadLetter]:
        for place in sorted(places, key=lambda each: (each.partition, each.offset)):
            yield self.one(group, place)

    def _hand_back(self, group: str, target: _Target, letters: Sequence[DeadLetter]) -> None:
        producer = self._open()
        acks = [target.send(producer, found) for found in letters]
        for ack in acks:
            ack.result()
        # Marked only when they are there: a letter may be handed back twice, never lost.
        topic = self._topic(group)
        marks = [
            producer.produce(
                topic, found.letter.original.key, None, mark_headers(found.place.offset), "", found.place.partition
            )
            for found in letters
        ]
        for mark in marks:
            mark.result()

    def _open(self) -> Producer:
        if self._producer is None:
            kafka = {**self._connection.kafka, "message.max.bytes": MAX_LETTER}
            self._producer = Producer(replace(self._connection, kafka=kafka))
        return self._producer

    def _marks(self, group: str) -> set[DeadLetterPlace]:
        found = set()
        for message in self._messages(group):
            offset = marked(message.headers() or ())
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
            yield from _until_end(consumer, [TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions])

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
        return Consumer({**_SETTINGS, **self._connection.kafka, "bootstrap.servers": self._connection.bootstrap})

    def _topic(self, group: str) -> str:
        return self._names.dead_letters(self._names.group(group))


@dataclass(frozen=True)
class _Target:
    """Where the letters of one group go back to."""

    topic: str
    takes_letters: bool  # with place and reason beside them, or as the records that they were
    sources: frozenset[str]  # where its letters may come from
    renewal: GrantRenewal | None = None  # of the grants of commands, which are written again

    def refuses(self, found: DeadLetter) -> str | None:
        """Why this letter would only come back, or None."""
        if found.letter.is_stub:
            return f"it does not hold its record, which was too large: send what is at {found.origin} anew"
        if found.letter.reason == "id-reused" and not self.takes_letters:
            return "its id was answered with another payload: send it anew, under an id of its own"
        return None if self.renewal is None else self.renewal.refuses(found.letter.original)

    def send(self, producer: Producer, found: DeadLetter) -> Ack:
        """Produce it: key, value and headers are those of the record that it was."""
        letter = found.letter
        original = letter.original
        headers: RawHeaders = [*original.headers]
        if self.takes_letters:
            headers = letter_headers(original, letter.reason, letter.detail)
        elif self.renewal is not None:
            headers = self.renewal.headers(original)
        return producer.produce(self.topic, original.key, original.value, headers, "", original.partition)


def _target(declared: Declared, names: Names, renewal: GrantRenewal) -> _Target:
    match declared:
        case Subscriber():
            sources = frozenset(map(names.events, declared.sources))
            return _Target(names.retries(names.group(declared.group)), True, sources)
        case Job():
            commands = names.commands(declared.namespace)
            return _Target(names.retries(names.group(declared.group)), True, frozenset({commands}))
        case Aggregate():
            commands = names.commands(declared.namespace)
            return _Target(commands, False, frozenset({commands}), renewal)
        case Table() | Process():
            raise ConfigurationError(
                f"{declared.group} counts records in the order of their log, one that comes later would count twice or "
                "at the wrong time. Mend it by an event, or mend the handler and rebuild it"
            )


def _until_end(consumer: Consumer, starts: list[TopicPartition]) -> Iterator[Message]:
    """Yield the records from these places to where each partition ends by now."""
    consumer.assign(starts)
    open_ = {each.partition for each in starts}
    heard = time.monotonic()
    while open_:
        message = consumer.poll(0.5)
        if message is None:
            if time.monotonic() - heard > _SILENCE_SECONDS:
                raise UnavailableError(f"nothing comes of {starts[0].topic}: is the broker up?")
            continue
        heard = time.monotonic()
        if (error := message.error()) is None:
            if message.partition() in open_:
                yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            open_.discard(message.partition())
        elif not error.retriable():
            topic = starts[0].topic
            raise denials.unavailable(error, "READ", f"TOPIC {topic}", f"{topic} cannot be read")


def _found(group: str, message: Message) -> DeadLetter | None:
    try:
        letter = read_letter(message.key(), message.value(), message.headers() or ())
    except UndecodableError:
        return None
    if letter is None:
        return None
    place = DeadLetterPlace(message.partition() or 0, message.offset() or 0)
    return DeadLetter(group, place, message.timestamp()[1], letter)


def _light(found: DeadLetter) -> DeadLetter:
    """What a list needs of it: payloads may be large, and there may be many."""
    original = replace(found.letter.original, value=None)
    return replace(found, letter=replace(found.letter, original=original))


def _none(group: str, place: DeadLetterPlace) -> ConfigurationError:
    return ConfigurationError(
        f"no dead letter of {group} lies at {place}: `verbwire dead-letters list {group}` lists them"
    )
