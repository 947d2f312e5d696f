"""Whether dead letters are what they say: each is held against the record that lies at its place.

Whoever may write to the dead letters could write one that nobody has ever sent, with an actor and a payload of their
own choice; handed back by an operator it would be carried out. The record in its own topic is the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from verbwire.kafka.readers import consumed, read_to_end, unreadable
from verbwire.kafka.record import ConsumedRecord

_SECONDS = 10.0
_NOT_THERE = frozenset({KafkaError._UNKNOWN_PARTITION, KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART})


class OriginalRecords:
    """Reads the records that letters of one group are about; `topics` are those that the group reads.

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

    def mismatch(self, letter: ConsumedRecord, unchecked: bool) -> str | None:
        """Return why a letter is not to be handed back, None where its record, byte by byte, lies where it says.

        One whose record its topic no longer keeps is believed by itself where `unchecked` says so.
        :class:`UnavailableError` when the broker is silent.
        """
        place = f"{letter.topic}/{letter.partition}/{letter.offset}"
        if letter.topic not in self._topics:
            return f"it says that it comes from {letter.topic}, which this group does not read"
        kept = self._kept(letter)
        if kept is None or letter.offset >= kept[1]:
            return f"it says that it comes from {place}, where no record has ever been: somebody has made it up"
        if letter.offset < kept[0]:
            gone = f"its record at {place} is no longer kept, so that nobody can tell whether it is what was sent"
            return None if unchecked else f"{gone}: look at it, --unchecked hands it back all the same"
        found = self._read(letter)
        if found is None:
            return f"no record lies at {place}, or one that was never committed: somebody has made it up"
        if unlike := _unlike(letter, found):
            return f"the record at {place} has another {unlike}: somebody has made it up, or changed it"
        return None

    def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = self._make()
        return self._consumer

    def _kept(self, letter: ConsumedRecord) -> tuple[int, int] | None:
        """Return the first offset that its partition keeps and the one behind the last, None for no such partition."""
        try:
            # Asked for anew: what librdkafka remembers may be older than the record.
            found = self._open().get_watermark_offsets(TopicPartition(letter.topic, letter.partition), _SECONDS)
        except KafkaException as error:
            if error.args[0].code() in _NOT_THERE:
                return None
            raise unreadable(letter.topic, error.args[0]) from error
        return (int(found[0]), int(found[1])) if found is not None else None

    def _read(self, letter: ConsumedRecord) -> ConsumedRecord | None:
        """Return the committed record at its place, None where there is none."""
        start = TopicPartition(letter.topic, letter.partition, letter.offset)
        message = next(read_to_end(self._open(), [start]), None)
        return consumed(message) if message is not None and message.offset() == letter.offset else None


def _unlike(letter: ConsumedRecord, found: ConsumedRecord) -> str | None:
    """Return what of a letter is not its record's, None where all is."""
    parts: Mapping[str, tuple[object, object]] = {
        "key": (letter.key, found.key),
        "value": (letter.value, found.value),
        "timestamp": (letter.timestamp, found.timestamp),
        "headers": (list(letter.headers), list(found.headers)),
    }
    return ", ".join(name for name, (said, is_) in parts.items() if said != is_) or None
