"""Listens for replies: one thread that reads one partition of the replies topic, from its end, in no group.

Replies are sent after the commit, best effort: the outcome log is authoritative.
"""

from __future__ import annotations

import logging
import random
import threading
import time

from confluent_kafka import KafkaException, TopicPartition

from verbwire.client.asking.consumers import POLL_SECONDS, Take, arrived, consumer
from verbwire.client.base.connection import Connection
from verbwire.errors import ContractError, NotAuthorizedError
from verbwire.kafka import denials

log = logging.getLogger(__name__)

_START_SECONDS = 10.0


class ReplyListener:
    """Hands every reply of its partition to `take`; commands name `partition` as the one to reply to."""

    def __init__(self, connection: Connection, take: Take) -> None:
        self.partition = -1
        self._connection = connection
        self._take = take
        self._topic = connection.names.replies()
        self._stopping = threading.Event()
        self._consumer = consumer(connection, "read_uncommitted")
        self._thread = threading.Thread(target=self._serve, name="verbwire-replies", daemon=True)

    def start(self) -> None:
        """Assign the partition: every reply to a command that is sent from now on is received.

        :class:`UnavailableError` when the broker is silent, :class:`ContractError` when there is no replies topic.
        """
        seconds = min(self._connection.delivery_seconds, _START_SECONDS)
        try:
            place = self._end(seconds)
        except BaseException:
            self._consumer.close()
            raise
        self.partition = place.partition
        self._consumer.assign([place])
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopping.set()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _end(self, seconds: float) -> TopicPartition:
        # The offset is asked for: "latest" would be resolved some time after the first command has gone.
        end = time.monotonic() + seconds
        while True:
            left = max(0.1, end - time.monotonic())
            try:
                place = self._any_partition(left)
                _, place.offset = self._consumer.get_watermark_offsets(place, timeout=left)
                return place
            except KafkaException as error:  # a leader that has just changed, for one
                if time.monotonic() + POLL_SECONDS > end:
                    what, otherwise = f"TOPIC {self._topic}", f"no replies can be heard, {self._topic}"
                    raise denials.unavailable(error.args[0], "READ", what, otherwise) from error
            self._stopping.wait(POLL_SECONDS)

    def _any_partition(self, seconds: float) -> TopicPartition:
        found = self._consumer.list_topics(self._topic, timeout=seconds).topics[self._topic]
        if found.error is not None:
            if denials.is_denied(found.error):
                raise NotAuthorizedError(denials.denied("READ", f"TOPIC {self._topic}"))
            raise ContractError(f"{self._topic}: {found.error.str()}: run `verbwire deploy`")
        led = [number for number, partition in found.partitions.items() if partition.leader >= 0]
        return TopicPartition(self._topic, random.choice(led or [0]))  # noqa: S311 (spreads load, hides nothing)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                for message in arrived(self._consumer):
                    key, value = message.key(), message.value()
                    if key and value:
                        self._take(key, value)
            except Exception:
                log.exception("%s: a reply could not be read; its outcome is read from the outcome log", self._topic)
        self._consumer.close()
