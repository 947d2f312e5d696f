"""Reads outcome logs: `read_committed`, in no group, from early enough on for all pending commands."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

from verbwire.client.asking.consumers import Take, arrived, consumer
from verbwire.client.asking.pending_command import PendingCommand
from verbwire.client.base.connection import Connection
from verbwire.kafka import denials

log = logging.getLogger(__name__)

CLOCK_MARGIN_MS = 60_000  # commands are stamped by the broker, outcomes by workers
_LOOK_BACK_EVERY = 60.0  # a whole partition is read at most so often, in seconds
_OFFSETS_SECONDS = 1.0
_CAUSE = "ce_causationid"  # of a line: the id of its command

Place: TypeAlias = tuple[str, int]


@dataclass(eq=False)
class Tail:
    """One partition of an outcome log that is read from `next` on."""

    next: int
    since: float  # what is asked from this moment on is answered beyond `next`
    looked_back: float = -_LOOK_BACK_EVERY


class OutcomeLogReader:
    """Reads the partitions in which pending outcomes must be. For one thread."""

    def __init__(self, connection: Connection, take: Take, look_back_after: float) -> None:
        self._names = connection.names
        self._take = take
        self._look_back_after = look_back_after
        self._consumer = consumer(connection, "read_committed", long_poll_ms=50)
        self._tails: dict[Place, Tail] = {}

    def close(self) -> None:
        """Let go of the broker."""
        self._consumer.close()

    def cover(self, commands: Iterable[PendingCommand], now: float) -> None:
        """Read the outcome logs of the commands that are due, from early enough on for all of them."""
        waiting = self._by_place(commands, now)
        idle = self._tails.keys() - waiting.keys()
        for place in idle:
            del self._tails[place]
        starts = self._starts(waiting) | self._whole(waiting, now)
        for place, start in starts.items():
            begun = self._tails.setdefault(place, Tail(start, now))
            begun.next = min(begun.next, start)
        for place, each in waiting.items():
            tail = self._tails.get(place)
            for pending in each:
                if tail and pending.reader is not tail and (place in starts or pending.asked_at >= tail.since):
                    pending.reader, pending.read_since = tail, now
        if starts or idle:
            self._consumer.assign([TopicPartition(*place, tail.next) for place, tail in self._tails.items()])

    def read(self) -> bool:
        """Pass on the next outcome records, and return whether there were any."""
        messages = arrived(self._consumer)
        for message in messages:
            if tail := self._tails.get((message.topic(), message.partition())):
                tail.next = message.offset() + 1
            id = dict(message.headers() or ()).get(_CAUSE)
            if id:
                self._take(id, message.value())
        return bool(messages)

    def _by_place(self, commands: Iterable[PendingCommand], now: float) -> dict[Place, list[PendingCommand]]:
        """The pending commands by partition, of partitions where one is due."""
        found: dict[Place, list[PendingCommand]] = {}
        for pending in commands:
            if pending.token is not None:
                place = (self._names.outcomes(pending.token.namespace), pending.token.partition)
                found.setdefault(place, []).append(pending)
        return {place: each for place, each in found.items() if any(pending.is_due(now) for pending in each)}

    def _starts(self, waiting: Mapping[Place, list[PendingCommand]]) -> dict[Place, int]:
        """From where on each partition has to be read, where it is not read from there already."""
        starts: dict[Place, int] = {}
        end = time.monotonic() + _OFFSETS_SECONDS
        for place, commands in waiting.items():
            early = self._earliest(self._tails.get(place), commands)
            if early is None or time.monotonic() > end:
                continue
            try:
                starts[place] = self._offset_at(place, max(0, early - CLOCK_MARGIN_MS))
            except KafkaException as error:  # another partition may still have a leader
                log.info(
                    "%s/%s cannot be read now, retrying: %s",
                    *place,
                    denials.said(error.args[0], "READ", f"TOPIC {place[0]}"),
                )
        return starts

    def _earliest(self, tail: Tail | None, commands: Iterable[PendingCommand]) -> int | None:
        moments = [
            pending.token.timestamp
            for pending in commands
            if pending.token and (tail is None or (pending.reader is not tail and pending.asked_at < tail.since))
        ]
        return min(moments, default=None)

    def _offset_at(self, place: Place, moment: int) -> int:
        # The end first: where nothing is that late, what comes from now on comes after it.
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_OFFSETS_SECONDS)
        (found,) = self._consumer.offsets_for_times([TopicPartition(*place, moment)], timeout=_OFFSETS_SECONDS)
        if found.error is not None:
            raise KafkaException(found.error)
        return int(found.offset if found.offset >= 0 else end)

    def _whole(self, waiting: Mapping[Place, list[PendingCommand]], now: float) -> dict[Place, int]:
        """The partitions to be read once from their beginning: a command that was repeated may be an old one."""
        starts: dict[Place, int] = {}
        for place, commands in waiting.items():
            tail = self._tails.get(place)
            if tail is None or now - tail.looked_back < _LOOK_BACK_EVERY:
                continue
            late = [
                pending
                for pending in commands
                if pending.reader is tail
                and not (pending.unique or pending.looked_back)
                and now - pending.read_since > self._look_back_after
            ]
            if late:
                starts[place], tail.looked_back = OFFSET_BEGINNING, now
            for pending in late:
                pending.looked_back = True
        return starts
