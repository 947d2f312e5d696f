"""What the last record of each partition of a changelog tells: how far its inputs are, and facts about it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from verbwire.engine.state.memory import KIB, MEMORY
from verbwire.errors import UnavailableError
from verbwire.handling.record import INPUTS_HEADER
from verbwire.kafka import denials
from verbwire.kafka.librdkafka import LOGGED
from verbwire.names import FACTS_READER

_SECONDS = 30.0
_TAIL = -2000  # so much below is what librdkafka reads as so many records before the end
_STARTS = (_TAIL - 100, _TAIL - 10_000, OFFSET_BEGINNING)  # in turn: mostly the last record is the one looked for


def last_facts(kafka: Mapping[str, str], topic: str) -> dict[int, dict[str, bytes]]:
    """Return the headers of the last committed record that has them, by partition; none for a partition without one.

    No partition at all where there is no such topic. UnavailableError when it cannot be read.
    """
    conf: dict[str, Any] = {
        **kafka,
        "group.id": FACTS_READER,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,
        "queued.max.messages.kbytes": MEMORY.fetched // KIB,
        "auto.offset.reset": "earliest",
        **LOGGED,
        "log_level": 2,
    }
    try:
        with closing(Consumer(conf)) as consumer:
            return _all(consumer, topic)
    except KafkaException as error:
        raise denials.unavailable(error.args[0], "READ", f"TOPIC {topic}", f"{topic} cannot be read") from error


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
    consumer.assign([TopicPartition(topic, *each) for each in starts.items()])
    open_, found, deadline = set(starts), dict[int, dict[str, bytes]](), time.monotonic() + _SECONDS
    while open_:
        for message in consumer.consume(1000, 0.2):
            _note(message, open_, found)
            deadline = time.monotonic() + _SECONDS
        if time.monotonic() > deadline:
            raise UnavailableError(f"the end of {topic} was not reached within {_SECONDS:.0f} s")
    return found


def _note(message: Message, open_: set[int], found: dict[int, dict[str, bytes]]) -> None:
    error, partition = message.error(), message.partition()
    if error is None:
        headers = {name: value for name, value in message.headers() or () if isinstance(value, bytes)}
        if INPUTS_HEADER in headers and partition is not None:
            found[partition] = headers
    elif error.code() == KafkaError._PARTITION_EOF:
        open_.discard(partition or 0)
    else:
        raise KafkaException(error)
