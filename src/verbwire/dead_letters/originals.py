"""Compares dead letters with the records at their places, before they are requeued.

A client that may write to the topic of dead letters could forge one, with an actor and a payload of its own choice;
requeued by an operator it would be carried out. The record in its own topic is the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from verbwire.kafka.readers import consumed, read_to_end, unreadable
from verbwire.kafka.record import ConsumedRecord

_SECONDS = 10.0
_NOT_THERE = frozenset({KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART})


class OriginalRecords:
    """Reads the original records of a group's dead letters; `topics` are those that the group reads.

    `make` returns a consumer that reads what is committed and tells the ends of partitions. Close it when done.
    """

    def __init__(self, make: Callable[[], Consumer], topics: Collection[str]) -> None:
        self._make = make
        self._topics = topics
        self._consumer: Consumer | None = None

    def close(self) -> None:
        """Let go of the broker."""
        if self._consumer is not None:
            self._consumer.close()

    def mismatch(self, original: ConsumedRecord, unchecked: bool) -> str | None:
        """Return why a dead letter must not be requeued, None where its record, byte by byte, is at the place it names.

        One whose record its topic no longer keeps passes where `unchecked` is set.
        :class:`UnavailableError` when the broker is silent.
        """
        place = f"{original.topic}/{original.partition}/{original.offset}"
        if original.topic not in self._topics:
            return f"it names the topic {original.topic}, which this group does not read"
        kept = self._kept(original)
        if kept is None or original.offset >= kept[1]:
            return f"it names the place {place}, where no record has ever been: it is forged"
        if original.offset < kept[0]:
            gone = f"its record at {place} is no longer kept, so that it cannot be compared with what was sent"
            return None if unchecked else f"{gone}: look at it, --unchecked requeues it all the same"
        found = self._read(original)
        if found is None:
            return f"there is no record at {place}, or one that was never committed: it is forged"
        if unlike := _unlike(original, found):
            return f"the record at {place} has another {unlike}: it is forged, or was changed"
        return None

    def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self._make()
        return self._consumer

    def _kept(self, original: ConsumedRecord) -> tuple[int, int] | None:
        """Return the first offset that its partition keeps and the one behind the last, None for no such partition."""
        try:
            # Asked for again: what librdkafka remembers may be older than the record.
            found = self._open().get_watermark_offsets(TopicPartition(original.topic, original.partition), _SECONDS)
        except KafkaException as error:
            if error.args[0].code() in _NOT_THERE:
                return None
            raise unreadable(original.topic, error.args[0]) from error
        return (int(found[0]), int(found[1])) if found is not None else None

    def _read(self, original: ConsumedRecord) -> ConsumedRecord | None:
        """Return the committed record at its place, None where there is none."""
        start = TopicPartition(original.topic, original.partition, original.offset)
        message = next(read_to_end(self._open(), [start]), None)
        return consumed(message) if message is not None and message.offset() == original.offset else None


def _unlike(original: ConsumedRecord, found: ConsumedRecord) -> str | None:
    """Return which parts of a dead letter differ from its record, None where none does."""
    parts: Mapping[str, tuple[object, object]] = {
        "key": (original.key, found.key),
        "value": (original.value, found.value),
        "timestamp": (original.timestamp, found.timestamp),
        "headers": (list(original.headers), list(found.headers)),
    }
    return ", ".join(name for name, (said, is_) in parts.items() if said != is_) or None
