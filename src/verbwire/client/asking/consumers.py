"""Consumers of the client: partitions assigned by hand, nothing committed, what is there taken at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from confluent_kafka import Consumer, Message

from verbwire.client.base.connection import Connection
from verbwire.kafka import denials
from verbwire.kafka.readers import reader_properties

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1  # and so long a thread may take to notice that it is to stop
_BATCH = 1000

Take: TypeAlias = Callable[[bytes, bytes], None]
"""Takes the id of a command, and the framed line of an outcome log that may hold its outcome."""


def consumer(connection: Connection, isolation: str, long_poll_ms: int = 500) -> Consumer:
    """Return a consumer that belongs to no group; `isolation` is ``read_committed`` or ``read_uncommitted``.

    A new assignment is fetched once the broker has answered the last fetch: after `long_poll_ms` at the latest.
    """
    return Consumer(
        reader_properties(
            {"log_level": 3, **connection.librdkafka},
            connection.names.askers(),
            isolation_level=isolation,
            enable_partition_eof=False,
            fetch_wait_max_ms=long_poll_ms,
            queued_max_messages_kbytes=8192,
            fetch_error_backoff_ms=50,
        )
    )


def arrived(consumer: Consumer) -> list[Message]:
    """Return the records that are there, waiting a moment for the first. Errors are librdkafka's to get over."""
    first = consumer.poll(POLL_SECONDS)  # consume() alone would wait until there are so many
    if first is None:
        return []
    found = []
    for message in (first, *consumer.consume(_BATCH, 0)):
        if (error := message.error()) is None:
            found.append(message)
        else:
            level = logging.WARNING if denials.is_denied(error) else logging.INFO
            what = f"TOPIC {message.topic()}" if message.topic() else "the GROUP of this project's askers"
            log.log(level, "%s/%s: %s", message.topic(), message.partition(), denials.said(error, "READ", what))
    return found
