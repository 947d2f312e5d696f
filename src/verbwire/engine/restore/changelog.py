"""Restores local stores from their changelogs, in batches, before a partition starts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from confluent_kafka import Consumer, Message, TopicPartition

from verbwire.engine.restore.changelog_run import ChangelogRuns
from verbwire.engine.restore.changelog_task import ChangelogTask
from verbwire.engine.restore.shared_consumers import consumers_of
from verbwire.errors import UnavailableError
from verbwire.kafka.readers import is_end, unreadable

BATCH = 5000
Place: TypeAlias = tuple[str, int]
Todo: TypeAlias = dict[Place, ChangelogTask]


class CancelledRestore(Exception):  # noqa: N818 (a signal: the partitions are no longer ours)
    """The partitions were taken away while they were being restored."""


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
        """Read every task to its end; what was read is written when this returns, also by an error.

        The end of a log may be control records and aborted ones, which are never seen: only the end-of-partition
        event shows that the reader is past them. UnavailableError when nothing moves for `seconds`.
        """
        todo = {(task.log.topic, task.partition): task for task in tasks if task.start < task.end}
        if not todo:
            return
        with self._consumers.lend() as consumer:
            consumer.assign([TopicPartition(*place, task.start) for place, task in todo.items()])
            try:
                with ChangelogRuns() as runs:
                    self._read_all(consumer, todo, runs, cancel, seconds)
            finally:
                self._progressed(0, 0)

    def _read_all(
        self, consumer: Consumer, todo: Todo, runs: ChangelogRuns, cancel: Callable[[], bool], seconds: float
    ) -> None:
        moved, remaining = time.monotonic(), {place: task.end - task.start for place, task in todo.items()}
        while todo:
            if cancel():
                raise CancelledRestore
            read = _read(consumer, todo)
            for place, piece in read.items():
                runs.add(todo[place], piece.messages, piece.position)
                remaining[place] = max(0, todo[place].end - piece.position)
            self._progressed(sum(len(piece.messages) for piece in read.values()), sum(remaining.values()))
            for place, piece in read.items():
                if piece.position >= todo[place].end or todo[place].is_given_up():
                    todo.pop(place).end_here()
            if read:
                moved = time.monotonic()
            elif time.monotonic() - moved > seconds:
                left = ", ".join(f"{topic}/{partition}" for topic, partition in sorted(todo))
                raise UnavailableError(f"restoring {left} has not moved for {seconds:.0f} s")


@dataclass(slots=True)
class _Piece:
    """The records that one read brought of one log, and up to where."""

    messages: list[Message] = field(default_factory=list)
    position: int = 0


def _read(consumer: Consumer, todo: Todo) -> dict[Place, _Piece]:
    first = consumer.poll(0.1)
    if first is None:
        return {}
    read: dict[Place, _Piece] = {}
    for message in [first, *consumer.consume(BATCH, 0)]:
        place = (message.topic(), message.partition())
        if place not in todo:
            continue
        if is_end(message):
            read.setdefault(place, _Piece()).position = message.offset()
        elif error := message.error():
            raise unreadable(f"{place[0]}", error)
        else:
            read.setdefault(place, _Piece()).messages.append(message)
    for piece in read.values():
        if piece.messages:
            piece.position = max(piece.position, piece.messages[-1].offset() + 1)
    return read
