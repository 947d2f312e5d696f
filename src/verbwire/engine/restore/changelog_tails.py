"""Reads the last record of each partition of a changelog: how far its inputs are, and facts about it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from verbwire.engine.state.memory import KIB, MEMORY
from verbwire.kafka import denials
from verbwire.kafka.readers import read_to_end, reader_properties, unreadable
from verbwire.names import FACTS_READER
from verbwire.wire.records.changelog import INPUTS_HEADER

_SECONDS = 30.0
_TAIL = -2000  # so much below is what librdkafka reads as so many records before the end
_STARTS = (_TAIL - 100, _TAIL - 10_000, OFFSET_BEGINNING)  # in turn: mostly the last record is the one looked for


def last_facts(kafka: Mapping[str, str], topic: str) -> dict[int, dict[str, bytes]]:
    """Return the headers of the last committed record that has them, by partition; none for a partition without one.

    No partition at all where there is no such topic. UnavailableError when it cannot be read.
    """
    properties = reader_properties(
        kafka, FACTS_READER, fetch_wait_max_ms=20, queued_max_messages_kbytes=MEMORY.fetched // KIB
    )
    try:
        with closing(Consumer(properties)) as consumer:
            return _all(consumer, topic)
    except KafkaException as error:
        raise unreadable(topic, error.args[0]) from error


def _all(consumer: Consumer, topic: str) -> dict[int, dict[str, bytes]]:
    known = consumer.list_topics(topic, timeout=_SECONDS).topics.get(topic)
    if known is not None and known.error is not None and denials.is_denied(known.error):
        raise KafkaException(known.error)
    todo = sorted(known.partitions) if known is not None and known.error is None else []
    found: dict[int, dict[str, bytes]] = {partition: {} for partition in todo}
    for start in _STARTS:
        found |= _read(consumer, topic, dict.fromkeys(todo, start))
        todo = [partition for partition in todo if not found[partition]]
    return found


def _read(consumer: Consumer, topic: str, starts: Mapping[int, int]) -> dict[int, dict[str, bytes]]:
    """Read partitions from these offsets to their ends."""
    found: dict[int, dict[str, bytes]] = {}
    for message in read_to_end(consumer, [TopicPartition(topic, *each) for each in starts.items()]):
        headers = {name: value for name, value in message.headers() or () if isinstance(value, bytes)}
        if INPUTS_HEADER in headers:
            found[message.partition() or 0] = headers
    return found
