"""All records of a topic, or those from a time on, to where it ends now: what is committed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, Message, TopicPartition

from verbwire.errors import UnavailableError
from verbwire.inspection.cluster_view import SECONDS, ClusterView, kafka_errors
from verbwire.kafka.readers import read_to_end, reader_properties
from verbwire.names import INSPECTION_READER

_FETCHED = {"fetch_wait_max_ms": 20, "queued_max_messages_kbytes": 16_384}


def topic_records(view: ClusterView, topic: str, begin_ms: int | None = None) -> Iterator[Message]:
    """Yield the records of a topic that were written at `begin_ms` or later, by default all.

    :class:`UnavailableError` where it is not there, or cannot be read.
    """
    properties = reader_properties(view.kafka, INSPECTION_READER, **_FETCHED)
    with closing(Consumer(properties)) as consumer, kafka_errors(f"TOPIC {topic}"):
        known = consumer.list_topics(topic, timeout=SECONDS).topics.get(topic)
        if known is None or known.error is not None:
            raise UnavailableError(f"{topic} cannot be read: run `verbwire deploy`, or see `verbwire acls`")
        places = [TopicPartition(topic, each, OFFSET_BEGINNING) for each in known.partitions]
        if begin_ms is not None:
            wanted = [TopicPartition(topic, each.partition, max(0, begin_ms)) for each in places]
            places = [each for each in consumer.offsets_for_times(wanted, SECONDS) if each.offset != OFFSET_END]
        if places:
            yield from read_to_end(consumer, places)
