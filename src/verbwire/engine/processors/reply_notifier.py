"""Notifies clients that wait for an outcome: after the commit, on a topic that each of them consumes.

Those that wait in this very process, HTTP's, are told without that way.

Notifications are best effort. The outcome log is authoritative; clients that miss one poll it. So nothing waits, and a
failure here fails nothing else. A notification that comes twice repeats the same outcome: there is no need of an
idempotent producer, whose fatal errors would have to be dealt with.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from confluent_kafka import KafkaException, Producer

from verbwire.kafka.librdkafka import LOGGED

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0
Reply: TypeAlias = tuple[int, str, bytes]
"""The partition that the client consumes, the command's id, and its outcome as the log has it."""


class NearbyCaller(Protocol):
    """Waits for outcomes in this process. May be called by several threads; never waits, never fails."""

    def waits_for(self, reply: Reply) -> bool:
        """Whether it is this one that asked."""
        ...

    def take(self, replies: Sequence[Reply]) -> None:
        """Take replies that it waits for."""
        ...


_SETTINGS = {
    "acks": 1,
    "linger.ms": 0,  # somebody waits for each; those of one transaction go together all the same
    "compression.type": "lz4",
    "message.timeout.ms": 5_000,  # by then the client has polled the outcome log
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 16_384,
    **LOGGED,
    "log_level": 2,  # a notification that is not sent is no failure
}


class ReplyNotifier:
    """One producer for all groups of a worker, connected at the first reply. May be used by several threads."""

    def __init__(self, kafka: Mapping[str, str], topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self.nearby: NearbyCaller | None = None

    def send(self, replies: Sequence[Reply]) -> None:
        """Notify the clients that wait for these. Never waits, never fails."""
        if self.nearby is not None:
            replies = _given(self.nearby, replies)
        if not replies:
            return
        try:
            producer = self._producer or self._connect()
            for reply in replies:
                self._send_one(producer, *reply)
            # Makes room for what comes next: a record counts until its report is taken. It gives up Python's lock, and
            # where HTTP is busy in this process it is a while until it has it again: so not once for each.
            producer.poll(0)
        except KafkaException as error:
            log.debug("no replies sent: %s", error)

    def _send_one(self, producer: Producer, partition: int, command_id: str, outcome: bytes) -> None:
        try:
            producer.produce(self._topic, outcome, command_id.encode(), partition)
        except (BufferError, KafkaException) as error:
            log.debug("no reply sent for %s: %s", command_id, error)
            producer.poll(0)

    def close(self) -> None:
        """Send what is left, for a second at most, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.flush(CLOSE_SECONDS)

    def _connect(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = Producer({**_SETTINGS, **self._kafka})
            return self._producer


def _given(nearby: NearbyCaller, replies: Sequence[Reply]) -> Sequence[Reply]:
    """Give the caller in this process its own, and return the others'.

    Another client that waits for the same id at the same partition, which is chance, finds the outcome in the log.
    """
    own: list[Reply] = []
    others: list[Reply] = []
    for each in replies:
        (own if nearby.waits_for(each) else others).append(each)
    if own:
        nearby.take(own)
    return others
