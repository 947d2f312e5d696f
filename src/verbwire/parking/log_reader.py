"""Reads the logs of parked records: the last that is said of each number of each key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from verbwire.client.base.connection import Connection
from verbwire.errors import UnavailableError, UndecodableError
from verbwire.kafka import denials
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.readers import first_record, read_to_end, reader_properties
from verbwire.names import PARKED_READER
from verbwire.wire.records.parked import read_parked_key
from verbwire.wire.topics import LARGEST_RECORD

_SECONDS = 10.0
ParkedValues = Mapping[tuple[int, bytes], Mapping[int, bytes]]
"""By partition and key: the records that are parked, by their numbers."""


def read_parked(connection: Connection, topic: str, only: int | None = None) -> ParkedValues:
    """Return what is parked by now, of one partition or of all. :class:`UnavailableError` where it cannot be read."""
    properties = reader_properties(
        connection.librdkafka, PARKED_READER, fetch_wait_max_ms=50, fetch_message_max_bytes=LARGEST_RECORD
    )
    found: dict[tuple[int, bytes], dict[int, bytes]] = defaultdict(dict)
    with closing(Consumer(properties)) as consumer:
        partitions = range(_partitions(consumer, topic)) if only is None else [only]
        for message in read_to_end(consumer, [TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions]):
            try:
                key, number = read_parked_key(message.key() or b"")
            except UndecodableError:
                continue
            if (value := message.value()) is None:
                found[message.partition() or 0, key].pop(number, None)
            else:
                found[message.partition() or 0, key][number] = value
    return {place: dict(sorted(records.items())) for place, records in found.items() if records}


def first_offset(connection: Connection, place: tuple[str, int], offset: int) -> int | None:
    """Return the offset of the first record of a topic's partition from an offset on; None where there is none."""
    properties = reader_properties(connection.librdkafka, PARKED_READER, fetch_wait_max_ms=50)
    found = first_record(properties, place, offset)
    return None if found is None else found.offset()


def written(connection: Connection, topics: Collection[str]) -> set[str]:
    """Return those of these topics that ever held anything: most did not, and reading each takes its time."""
    cluster = ClusterOffsets(connection.librdkafka, PARKED_READER)
    there = cluster.topic_identities(sorted(topics))
    places = [(topic, each) for topic, found in there.items() for each in range(found.partitions)]
    return {topic for (topic, _), end in cluster.stable_ends(places).items() if end}


def _partitions(consumer: Consumer, topic: str) -> int:
    try:
        found = consumer.list_topics(topic, timeout=_SECONDS).topics[topic]
    except KafkaException as error:
        raise UnavailableError(f"the broker cannot be reached: {error.args[0].str()}") from error
    if found.error is not None:
        otherwise = f"{topic} cannot be read, run `verbwire deploy`"
        raise denials.unavailable(found.error, "READ", f"TOPIC {topic}", otherwise)
    return len(found.partitions)
