"""Restores local stores from their changelogs, in batches, before a partition starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from verbwire.engine.restore.shared_consumers import consumers_of
from verbwire.engine.restore.topic_identity import read_topics, recreated
from verbwire.engine.state.store import PartitionStore, StoreChanges
from verbwire.engine.topology import ROWS, Log
from verbwire.engine.transactions.dead_letters import legible
from verbwire.errors import NewerSchemaError, UnavailableError, UndecodableError
from verbwire.kafka.readers import is_end, unreadable
from verbwire.wire.records.changelog import INPUTS_HEADER, TIME_HEADER, read_facts, read_inputs

BATCH = 5000
_UNREADABLE = 1000  # records, beyond which it makes no sense to look for later ones of their keys


class CancelledRestore(Exception):  # noqa: N818 (a signal: the partitions are no longer ours)
    """The partitions were taken away while they were being restored."""


@dataclass
class ChangelogTask:
    """One log of one partition: read from where the store is, up to `end`."""

    log: Log
    partition: int
    store: PartitionStore
    start: int
    end: int
    refused: str | None = None  # why it was given up: rows that this code must not take, or cannot read
    failure: Exception | None = None  # why it was given up for now: the copy cannot be written
    unreadable: dict[bytes, str] = field(default_factory=dict)  # key -> what is wrong with its last record so far

    def note(self, key: bytes, problem: str) -> None:
        """Note that the last record of a key cannot be read; a later one may mend that."""
        self.unreadable[key] = problem
        if len(self.unreadable) > _UNREADABLE:
            self.end_here()

    def is_given_up(self) -> bool:
        """Whether no more of it is read."""
        return self.refused is not None or self.failure is not None

    def end_here(self) -> None:
        """Give up where something that cannot be read is the last of its key."""
        if self.unreadable and not self.refused:
            self.refused = (
                f"{next(iter(self.unreadable.values()))}. A worker whose code reads it goes on by itself; else write "
                "a record of that key that can be read, or one without a value, into that partition, and start again"
            )


class ChangelogReader:
    """Reads the changelogs of one group, by a consumer that all groups of the process share."""

    def __init__(self, kafka: dict[str, str], progressed: Callable[[int, int], None] = lambda *_: None) -> None:
        self._progressed = progressed  # called with the records read since, and the offsets that remain
        self._consumers = consumers_of(kafka)

    def warm(self) -> None:
        """Connect now, not when a partition waits."""
        self._consumers.warm()

    def close(self) -> None:
        """Leave nothing behind."""
        self._consumers.leave()

    def restore(self, tasks: Iterable[ChangelogTask], cancel: Callable[[], bool], seconds: float) -> None:
        """Read every task to its end.

        The end of a log may be control records and aborted ones, which are never seen: only the end-of-partition
        event shows that the reader is past them. UnavailableError when nothing moves for `seconds`.
        """
        todo = {(task.log.topic, task.partition): task for task in tasks if task.start < task.end}
        if not todo:
            return
        with self._consumers.lend() as consumer:
            self._restore(consumer, todo, cancel, seconds)

    def _restore(
        self,
        consumer: Consumer,
        todo: dict[tuple[str, int], ChangelogTask],
        cancel: Callable[[], bool],
        seconds: float,
    ) -> None:
        consumer.assign([TopicPartition(*place, task.start) for place, task in todo.items()])
        moved, remaining = time.monotonic(), {place: task.end - task.start for place, task in todo.items()}
        try:
            while todo:
                if cancel():
                    raise CancelledRestore
                pieces, reached = self._read(consumer, todo)
                for piece in pieces:
                    piece.apply()
                remaining |= {place: max(0, todo[place].end - offset) for place, offset in reached.items()}
                self._progressed(sum(len(piece.messages) for piece in pieces), sum(remaining.values()))
                for place, offset in reached.items():
                    if offset >= todo[place].end or todo[place].is_given_up():
                        todo.pop(place).end_here()
                if reached:
                    moved = time.monotonic()
                elif time.monotonic() - moved > seconds:
                    left = ", ".join(f"{topic}/{partition}" for topic, partition in sorted(todo))
                    raise UnavailableError(f"restoring {left} has not moved for {seconds:.0f} s")
        finally:
            self._progressed(0, 0)

    def _read(
        self, consumer: Consumer, todo: dict[tuple[str, int], ChangelogTask]
    ) -> tuple[list[_Piece], dict[tuple[str, int], int]]:
        first = consumer.poll(0.1)
        if first is None:
            return [], {}
        pieces: dict[tuple[str, int], _Piece] = {}
        reached: dict[tuple[str, int], int] = {}
        for message in [first, *consumer.consume(BATCH, 0)]:
            place = (message.topic(), message.partition())
            if place not in todo:
                continue
            if is_end(message):
                reached[place] = message.offset()
            elif error := message.error():
                raise unreadable(f"{place[0]}", error)
            else:
                pieces.setdefault(place, _Piece(todo[place], [])).messages.append(message)
                reached[place] = message.offset() + 1
        for place, offset in reached.items():
            pieces.setdefault(place, _Piece(todo[place], [])).position = offset
        return list(pieces.values()), reached


@dataclass
class _Piece:
    """The records that one read brought of one log."""

    task: ChangelogTask
    messages: list[Message]
    position: int = 0

    def apply(self) -> None:
        """Write it, with its position, in one local transaction; nothing of it where the task has to be given up."""
        changes = StoreChanges()
        self._read(changes)
        if self.task.is_given_up():
            return
        if not self.task.unreadable:  # else the next start has to look at it once more
            changes.positions[self.task.log.name] = self.position
        try:
            self.task.store.apply(changes)
        except Exception as error:  # noqa: BLE001 (a full disk, a value that SQLite does not take: this partition's)
            self.task.failure = error

    def _read(self, changes: StoreChanges) -> None:
        """Read the records; an outage of the registry is raised, anything else is the fault of a record."""
        absorb, unreadable = self.task.log.absorb, self.task.unreadable
        message: Message | None = None
        try:
            for message in self.messages:
                record = _Restored(message)
                try:
                    absorb(changes, record)
                except UndecodableError as error:
                    self._note(record, error)
                else:
                    if unreadable:  # mended by a later record of its key
                        unreadable.pop(record.key or b"", None)
            if self.task.log.name == ROWS:
                self._progress(changes)
        except NewerSchemaError as error:
            self.task.refused = str(error)
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a record that is none of ours makes of its reader)
            offset = self.task.start if message is None else message.offset()
            place = f"{self.task.log.topic}/{self.task.partition}@{offset}"
            self.task.refused = (
                f"{place} cannot be taken into the table: {legible(f'{type(error).__name__}: {error}')}. Find out what "
                "wrote it; mend the code where that is to blame, and start the worker again, or rebuild the table"
            )

    def _note(self, record: _Restored, error: UndecodableError) -> None:
        key, place = record.key or b"", f"{record.topic}/{record.partition}@{record.offset}"
        self.task.note(key, f"the record {place} of the key {key[:80]!r} cannot be read: {error}")

    def _progress(self, changes: StoreChanges) -> None:
        """Note the positions of the inputs: the last record of each batch has them, so the latest one counts."""
        for message in reversed(self.messages):
            headers = message.headers() or ()
            said = dict(headers)
            if value := said.get(INPUTS_HEADER):
                time = said.get(TIME_HEADER)
                changes.inputs, changes.time = read_inputs(value), int(time) if time else None
                changes.facts = read_facts(headers)
                before, now = read_topics(self.task.store.facts()), read_topics(changes.facts)
                changes.forgotten = recreated(before, {**before, **now}, before)
                return


class _Restored:
    """A confluent-kafka message as a Record; headers are decoded only when asked for, they cost the most."""

    __slots__ = ("_message", "key", "offset", "partition", "value")

    def __init__(self, message: Message) -> None:
        self._message = message
        self.key: bytes | None = message.key()
        self.value: bytes | None = message.value()
        self.offset: int = message.offset()
        self.partition: int = message.partition()

    @property
    def topic(self) -> str:
        return str(self._message.topic())

    @property
    def timestamp(self) -> int:
        return int(self._message.timestamp()[1])

    @property
    def headers(self) -> list[tuple[str, Any]]:
        return self._message.headers() or []
