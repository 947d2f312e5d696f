"""Consumers that belong to no group: partitions assigned by hand, nothing committed, read to the end.

Restores, dead letters, the directory of workers and clients that wait for outcomes read so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from types import MappingProxyType
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, Message, TopicPartition

from verbwire.errors import UnavailableError
from verbwire.kafka import denials
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.record import ConsumedRecord
from verbwire.kafka.recreatable import PATIENT

SILENCE_SECONDS = 30.0  # without a record or an end, until a read to the end is given up
_POLL_SECONDS = 0.5


def reader_properties(kafka: Mapping[str, Any], name: str, **properties: Any) -> dict[str, Any]:
    """Return the properties of a consumer in no group; `kafka` are those of the connection.

    librdkafka requires a ``group.id`` all the same: `name`, under which nothing is committed. Further `properties` are
    written with ``_`` for ``.``. Aborted transactions are left out, and the end of each partition is an event.
    """
    return {
        **PATIENT,
        **LOGGED,
        "log_level": 2,  # our own errors name what cannot be read
        **kafka,
        "group.id": name,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",  # where a position is gone: what is left is newer
        "fetch.queue.backoff.ms": 10,  # by default a partition whose queue was full is let alone for a second
        "enable.partition.eof": True,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        **{key.replace("_", "."): value for key, value in properties.items()},
    }


def is_end(message: Message) -> bool:
    """Whether a message is no record, but the event that its partition has been read to the end."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def unreadable(topic: str, error: KafkaError) -> UnavailableError:
    """Return the error for a topic that cannot be read; it names the ACL where one is missing."""
    return denials.unavailable(error, "READ", f"TOPIC {topic}", f"{topic} cannot be read")


def first_record(properties: Mapping[str, Any], place: tuple[str, int], offset: int) -> Message | None:
    """Return the first record of a topic's partition from an offset on, markers of transactions passed over.

    None where there is none by now. Raises as :func:`read_to_end`.
    """
    with closing(Consumer(dict(properties))) as consumer:
        return next(read_to_end(consumer, [TopicPartition(*place, offset)]), None)


def read_to_end(
    consumer: Consumer,
    starts: Sequence[TopicPartition],
    clock: Callable[[], float] = time.monotonic,
    ends: Mapping[tuple[str, int], int] = MappingProxyType({}),
) -> Iterator[Message]:
    """Yield the records of partitions from these offsets on, to where each partition ends by now.

    Each partition in its order, several as they arrive. One of `ends` is read up to that offset, whatever end a broker
    tells that has just become its leader and knows of less; what others write meanwhile is left out.
    :class:`UnavailableError` when a topic cannot be read, or when no broker answers for :data:`SILENCE_SECONDS`.
    """
    consumer.assign([*starts])
    unfinished, last_answer = {(each.topic, each.partition) for each in starts}, clock()
    while unfinished:
        message = consumer.poll(_POLL_SECONDS)
        if message is None:
            if clock() - last_answer > SILENCE_SECONDS:
                topic = min(unfinished)[0]
                raise UnavailableError(f"nothing of {topic} arrived for {SILENCE_SECONDS:.0f} s: is Kafka up?")
            continue
        last_answer = clock()
        place = (message.topic() or "", message.partition() or 0)
        if is_end(message):
            if (message.offset() or 0) >= ends.get(place, 0):
                unfinished.discard(place)
        elif (error := message.error()) is not None:
            if not error.retriable():
                raise unreadable(message.topic() or starts[0].topic, error)
        elif place in ends and (message.offset() or 0) >= ends[place]:
            unfinished.discard(place)
        elif place in unfinished:
            yield message


def consumed(message: Message) -> ConsumedRecord:
    """Return the record that a message holds."""
    kind, timestamp = message.timestamp()
    place: tuple[Any, Any, Any] = message.topic(), message.partition(), message.offset()
    headers: Any = message.headers() or ()
    is_stamped = kind == TIMESTAMP_LOG_APPEND_TIME
    return ConsumedRecord(*place, timestamp, message.key(), message.value(), headers, is_stamped)
