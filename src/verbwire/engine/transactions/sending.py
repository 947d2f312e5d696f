"""Hands the records of a transaction to its producer: rows many at once, others one by one, in the order they came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from confluent_kafka import KafkaError, KafkaException, Producer

from verbwire.engine.transactions.producers import fatal_errors
from verbwire.engine.transactions.record_limits import Headers

Delivered: TypeAlias = Callable[[Any, Any], None]
UnsentRecord: TypeAlias = tuple[str, int, bytes | None, bytes | None, Headers, Delivered | None]
"""Topic, partition, key, value, headers, and what is told of its delivery."""

RowMessage: TypeAlias = dict[str, Any]
"""Key and value, as confluent-kafka takes them many at once: with no headers, and nothing is told of their delivery."""

UnsentRows: TypeAlias = tuple[str, int, list[RowMessage]]
"""Topic, partition, and what goes there."""

_FULL_SECONDS = 0.005  # until it is tried again, where the producer holds as much as it may


def send(producer: Producer, unsent: Sequence[UnsentRecord | UnsentRows], patient: bool = True) -> int:
    """Hand these records over, and return how many: all, unless the producer is full and this is not `patient`.

    KafkaException where it does not take one. Then some of them may be with it: the transaction is to be aborted.
    """
    produce = producer.produce
    for done, each in enumerate(unsent):
        if len(each) == 3:
            _send_rows(producer, *each)
            continue
        topic, partition, key, value, headers, on_delivery = each
        found = headers if type(headers) is list else [*headers]
        while True:
            try:
                # By position: by name each argument costs as much as a header. The last but one is the time, 0 for now.
                produce(topic, value, key, partition, on_delivery, None, 0, found or None)
                break
            except BufferError:
                if not patient:
                    return done
                _make_room(producer)
    return len(unsent)


def _send_rows(producer: Producer, topic: str, partition: int, messages: list[RowMessage]) -> None:
    while messages:
        taken = producer.produce_batch(topic, messages, partition)
        if taken == len(messages):
            return
        messages = _not_taken(messages)
        _make_room(producer)


def _not_taken(messages: Sequence[RowMessage]) -> list[RowMessage]:
    """Return the messages for which there was no room; KafkaException for one that was refused for another reason.

    Once the producer is full it takes nothing more: they are the last, and their order stays.
    """
    left = [each for each in messages if "_error" in each]
    for each in left:
        error = each.pop("_error")
        if error.code() != KafkaError._QUEUE_FULL:
            raise KafkaException(error)
    return left


def _make_room(producer: Producer) -> None:
    with fatal_errors():
        producer.poll(_FULL_SECONDS)
