"""Reads the timestamps of single records: of the first that stands at or behind an offset."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing

from confluent_kafka import Consumer, KafkaException, TopicPartition

from verbwire.errors import UnavailableError
from verbwire.kafka.offsets import TP
from verbwire.kafka.readers import is_end, reader_properties, unreadable
from verbwire.names import INSPECTION_READER

_SECONDS = 10.0
_POLL_SECONDS = 0.2


def first_timestamps(
    kafka: Mapping[str, str], wanted: Sequence[tuple[TP, int]], *, committed: bool = True
) -> dict[tuple[TP, int], int | None]:
    """Return when the first record from each of these offsets on was written, in milliseconds since the epoch.

    None where a log has no record from there on, only markers of transactions. Records of open transactions count where
    not the `committed` ones alone are meant. :class:`UnavailableError` where Kafka does not answer; what it has not
    told in time is left out.
    """
    found: dict[tuple[TP, int], int | None] = {}
    properties = reader_properties(kafka, INSPECTION_READER, fetch_wait_max_ms=20, fetch_message_max_bytes=4096)
    if not committed:
        properties["isolation.level"] = "read_uncommitted"
    with closing(Consumer(properties)) as consumer:
        for some in _rounds(wanted):
            found |= _read(consumer, dict(some))
    return found


def _rounds(wanted: Sequence[tuple[TP, int]]) -> list[list[tuple[TP, int]]]:
    """One offset of each partition at a time: groups may wait at different places of one."""
    rounds: list[dict[TP, int]] = []
    for place, offset in wanted:
        free = next((each for each in rounds if place not in each), None)
        if free is None:
            rounds.append(free := {})
        free[place] = offset
    return [[*each.items()] for each in rounds]


def _read(consumer: Consumer, starts: Mapping[TP, int]) -> dict[tuple[TP, int], int | None]:
    consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
    found: dict[tuple[TP, int], int | None] = {}
    left, deadline = set(starts), time.monotonic() + _SECONDS
    while left and time.monotonic() < deadline:
        for message in consumer.consume(len(left), _POLL_SECONDS):
            place = (message.topic() or "", message.partition() or 0)
            error = message.error()
            if error is not None and not is_end(message):
                if error.retriable():
                    continue
                raise unreadable(place[0], error)
            if place in left:
                left.discard(place)
                found[place, starts[place]] = None if error is not None else message.timestamp()[1]
                _let_go(consumer, place)
    if len(left) == len(starts):
        raise UnavailableError(f"no record of {len(left)} partitions arrived within {_SECONDS:.0f} s: is Kafka up?")
    return found


def _let_go(consumer: Consumer, place: TP) -> None:
    try:
        consumer.incremental_unassign([TopicPartition(*place)])
    except KafkaException as error:
        raise unreadable(place[0], error.args[0]) from error
