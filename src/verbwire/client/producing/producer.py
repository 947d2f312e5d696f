"""An idempotent librdkafka producer with bounded memory, which loses no delivery report."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as Librdkafka

from verbwire.client.base.completion import WouldWaitError
from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Ack, Failures
from verbwire.client.producing.linger_bypass import LingerBypass
from verbwire.errors import (
    ClosedError,
    ContractError,
    DeliveryError,
    NotAuthorizedError,
    UnavailableError,
    UnencodableError,
)
from verbwire.kafka import denials
from verbwire.kafka.connectivity import ConnectionErrors, unusable
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.recreatable import PATIENT
from verbwire.wire.headers import RawHeaders

BY_KEY = -1  # librdkafka's RD_KAFKA_PARTITION_UA
_POLL_SECONDS = 0.1
_SERVED_AT_ONCE = 100  # records
_METADATA_SECONDS = 10.0
_PURGE_SECONDS = 5.0

_process = object()  # another one after a fork; asking for the process id would be a system call for each message


def _forked() -> None:
    global _process
    _process = object()


os.register_at_fork(after_in_child=_forked)


class Producer:
    """Produces from any number of threads; one thread of its own serves the delivery reports.

    Bounded memory: when librdkafka's queue is full, :meth:`produce` blocks until there is room, at most as long as a
    delivery may take. Unusable in a forked child: librdkafka's threads stay with the parent.
    """

    def __init__(self, connection: Connection) -> None:
        self._seconds = connection.delivery_seconds
        self._process = _process
        self._closed = False
        self._obstacles = ConnectionErrors()
        # What is purged when we close is purged by us.
        self._failures = Failures(lambda: self._obstacles.denied and not self._closed)
        try:
            self._kafka = Librdkafka({"error_cb": self._obstacles.note, **_properties(connection)})
        except (KafkaException, TypeError, ValueError) as error:
            raise unusable(error) from error
        self._unserved = 0  # records; nobody minds if it is not exact
        self._stopping = threading.Event()
        self._reports = threading.Thread(target=self._serve, name="verbwire-delivery-reports", daemon=True)
        self._reports.start()
        self._linger_bypass = LingerBypass(self._kafka)

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: RawHeaders,
        id: str,
        partition: int = BY_KEY,
        patient: bool = True,
    ) -> Ack:
        """Hand a record to librdkafka and return its acknowledgement-to-be. The key decides the partition, by default.

        :class:`UnencodableError` when it is larger than a record may be, :class:`DeliveryError` when the queue stays
        full for as long as a delivery may take, or the producer is beyond repair; :class:`WouldWaitError` where it is
        full and the caller is not `patient`.
        """
        if self._process is not _process or self._closed:
            self.require_open()
        ack = Ack(id, topic, self._failures)
        deadline = 0.0
        while True:
            try:
                # By position: by name each argument costs as much as a header. The last but one is the time, 0 for now.
                self._kafka.produce(topic, value, key, partition, ack.settle, None, 0, headers)
                break
            except BufferError:
                if not patient:
                    raise WouldWaitError from None
                deadline = deadline or time.monotonic() + self._seconds
                if time.monotonic() > deadline:
                    raise DeliveryError(
                        f"{topic}: the queue stayed full for {self._seconds} s: is the broker up?"
                    ) from None
                self._kafka.poll(0.01)
            except KafkaException as error:
                raise _refused(topic, error.args[0], self._obstacles) from error
            except RuntimeError as error:  # librdkafka's handle is gone: another thread has closed it meanwhile
                raise ClosedError("the client is closed: make a new one") from error
        self._unserved += 1
        if self._unserved >= _SERVED_AT_ONCE:
            self._serve_here()
        return ack

    def bypass_linger(self, ack: Ack) -> None:
        """Let what was produced up to this record go at once, without lingering for company; returns immediately."""
        self._linger_bypass.now(ack)

    def require_topic(self, topic: str) -> int:
        """Return how many partitions a topic has.

        :class:`ContractError` if it is not deployed, :class:`UnavailableError` if Kafka is silent.
        """
        self.require_open()
        try:
            found = self._kafka.list_topics(topic, timeout=min(self._seconds, _METADATA_SECONDS)).topics[topic]
        except KafkaException as error:
            raise UnavailableError(f"Kafka cannot be reached: {self._obstacles.told(error.args[0].str())}") from error
        if found.error is not None:
            if denials.is_denied(found.error):
                raise NotAuthorizedError(denials.denied("WRITE", f"TOPIC {topic}"))
            raise ContractError(f"{topic}: {found.error.str()}: run `verbwire deploy`")
        return len(found.partitions)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything produced so far is acknowledged, at most `timeout` seconds.

        :class:`DeliveryError` when something is left, or when a delivery failed and nobody has looked at its Ack.
        """
        self.require_open()
        left = self._kafka.flush(self._seconds if timeout is None else timeout)
        self._failures.raise_unseen()
        if left:
            raise DeliveryError(f"{left} message(s) are not acknowledged yet: flush again, or look at the broker")

    def close(self, timeout: float | None = None) -> None:
        """Flush, then let go of the broker; raises like :meth:`flush`, but is closed in any case."""
        if self._closed:
            return
        if self._process is not _process:
            self._closed = True
            return
        try:
            self.flush(timeout)
        finally:
            self._closed = True
            # What is still waiting fails now: its Acks must not wait for ever.
            self._kafka.purge()
            self._kafka.flush(_PURGE_SECONDS)
            self.abandon()
            self._reports.join()
            self._linger_bypass.join()
            self._kafka.close()  # now, not when it is collected: its threads would look for a broker that is gone

    def abandon(self) -> None:
        """Stop the thread of an owner that is gone without closing; what was queued may be lost."""
        self._closed = True
        self._stopping.set()
        self._linger_bypass.stop()

    @property
    def closed(self) -> bool:
        """Whether nothing more can be produced here."""
        return self._closed or self._process is not _process

    def require_open(self) -> None:
        """Raise :class:`ClosedError` if nothing more can be produced here."""
        if self._closed:
            raise ClosedError("the client is closed: make a new one")
        if self._process is not _process:
            raise ClosedError("the client was made before this process was forked: make one in the child")

    def _serve_here(self) -> None:
        """Serve what has been reported: while its caller is busy, our thread gets the interpreter for one at a time."""
        self._unserved = 0
        try:
            self._kafka.poll(0)
        except KafkaException as error:  # as below
            self._obstacles.note(error.args[0])
        except RuntimeError:
            if not self._closed:  # else by another thread, since the record was taken: its Ack tells what became of it
                raise

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                self._kafka.poll(_POLL_SECONDS)
            except KafkaException as error:  # fatal: the next call to produce raises, and the reports go on
                self._obstacles.note(error.args[0])


def _properties(connection: Connection) -> dict[str, Any]:
    return {
        "compression.type": "lz4",
        "linger.ms": 5,
        **PATIENT,
        **LOGGED,
        "log_level": 3,
        **connection.kafka,
        "bootstrap.servers": connection.bootstrap,
        "queue.buffering.max.messages": connection.queue_messages,
        "queue.buffering.max.kbytes": connection.queue_kilobytes,
        "delivery.timeout.ms": round(connection.delivery_seconds * 1000),
        # Not for choice: another partitioner would scatter the keys, weaker acknowledgements would lose or double
        # messages, and a topic that a broker makes up by itself has the wrong number of partitions.
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "acks": "all",
        "allow.auto.create.topics": False,
    }


def _refused(topic: str, error: KafkaError, obstacles: ConnectionErrors) -> Exception:
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return UnencodableError(f"{topic}: the message is larger than a record may be: keep less in it")
    # A producer that may write to no topic at all is not let in (KIP-679), and beyond repair.
    if denials.is_denied(error) or (obstacles.denied and error.code() == KafkaError._FATAL):
        return DeliveryError(denials.denied("WRITE", f"TOPIC {topic}"))
    if error.fatal():
        return DeliveryError(f"{topic}: the producer is beyond repair, make a new client: {error.str()}")
    return DeliveryError(f"{topic}: {error.str()}; sending the message again with the same id is safe")
