"""Announces a worker in the directory's topic, signed, for as long as it runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from verbwire.discovery.directory import AHEAD_MS, DEAD_SECONDS
from verbwire.kafka import denials
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.recreatable import PATIENT, ReplaceableClient
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.signatures import Sign, signed
from verbwire.wire.records.workers import WORKER, GroupShare, WorkerRecord

log = logging.getLogger(__name__)

BEAT_SECONDS = 3.0
LOOK_SECONDS = 0.05  # how soon it is looked again while things change, and for the broker's acknowledgement
SELDOM_SECONDS = 1.0  # and else: what nobody tells of is noticed so soon
_RESTLESS_SECONDS = 2.0  # after a change others follow
_FLUSH_SECONDS = 2.0
_LOG_APPEND_TIME = 2
_CORRECTED_MS = 1_000  # by which the time that was signed was wrong: what was said is said again


class Announcer:
    """Says what this worker answers for: at its start, whenever that changes, and every few seconds.

    `shares` is asked from a thread of the announcer's own. `observe` is told the broker's time, now and then; `now_ms`
    says what it is now, as far as is known. `sign` makes the signatures: without it nothing is signed.
    """

    def __init__(
        self,
        kafka: dict[str, str],
        codec: Codec,
        name: str,
        shares: Callable[[], Sequence[GroupShare]],
        observe: Callable[[int], None],
        now_ms: Callable[[], int],
        sign: Sign | None,
    ) -> None:
        self._topic = codec.names.workers()
        self._encode = codec.encoder(WORKER)
        self._name = name
        self._url = ""
        self._shares = shares
        self._observe = observe
        self._now_ms = now_ms
        self._sign = sign
        self._signed_at = 0
        self._started_at = int(time.time() * 1000)
        self._beat = 0
        self._said: tuple[bool, tuple[GroupShare, ...]] | None = None
        self._leaving = False
        self._changed = threading.Event()
        self._stopping = False
        conf = {
            **kafka,
            "enable.idempotence": True,
            "linger.ms": 0,
            "delivery.timeout.ms": round(DEAD_SECONDS * 1000),
            "queue.buffering.max.kbytes": 16_384,
            **PATIENT,
            **LOGGED,
            "log_level": 2,
        }
        self._failed = False
        self._unacknowledged = 0
        self._producer = ReplaceableClient(lambda: Producer(conf))
        self._thread = threading.Thread(target=self._run, name="verbwire-announcer", daemon=True)

    def start(self, url: str) -> None:
        """Begin to announce; `url` is where others reach this worker."""
        self._url = url
        self._thread.start()

    def look(self) -> None:
        """Look at the shares now: they have changed. From any thread."""
        self._changed.set()

    def leave(self) -> None:
        """Announce that this worker is stopping: no requests should be sent to it. Waits for the broker, bounded."""
        self._leaving = True
        self._changed.set()
        deadline = time.monotonic() + _FLUSH_SECONDS
        while self._thread.is_alive() and not (self._said and self._said[0]) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._producer.get().flush(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Take this worker out of the directory."""
        self._stopping = True
        self._changed.set()
        if self._thread.ident is None:
            return
        self._thread.join(_FLUSH_SECONDS)
        self._produce(None)
        self._producer.get().flush(_FLUSH_SECONDS)

    def _run(self) -> None:
        due = restless = 0.0
        while not self._stopping:
            if self._failed:
                self._failed, self._unacknowledged = False, 0
                self._producer.failed(self._producer.get())
            now = (self._leaving, tuple(self._shares()))
            if now != self._said:
                restless = time.monotonic() + _RESTLESS_SECONDS
            if now != self._said or time.monotonic() > due:
                self._announce(*now)
                self._said, due = now, time.monotonic() + BEAT_SECONDS
            self._producer.get().poll(0)
            soon = self._unacknowledged or time.monotonic() < restless
            self._changed.wait(LOOK_SECONDS if soon else SELDOM_SECONDS)
            self._changed.clear()

    def _announce(self, leaving: bool, groups: tuple[GroupShare, ...]) -> None:
        self._beat += 1
        record = WorkerRecord(
            name=self._name,
            url=self._url,
            started_at=self._started_at,
            beat=self._beat,
            leaving=leaving,
            groups=groups,
        )
        self._produce(self._encode(record))

    def _produce(self, value: bytes | None) -> None:
        key, producer = self._name.encode(), self._producer.get()
        headers = None
        if self._sign is not None:
            self._signed_at = max(self._signed_at + 1, self._now_ms())
            headers = signed(self._sign, self._topic, key, value, self._signed_at)
        try:
            producer.produce(self._topic, value, key, partition=0, headers=headers, on_delivery=self._delivered)
            self._unacknowledged += 1
        except (BufferError, KafkaException) as error:
            log.warning("this worker could not be announced: %s", error)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._unacknowledged -= 1
        if error is not None:
            self._failed = True
            log.warning("this worker could not be announced: %s", denials.said(error, "WRITE", f"TOPIC {self._topic}"))
            return
        kind, at_ms = message.timestamp()
        if kind == _LOG_APPEND_TIME:
            before = self._now_ms()
            self._observe(at_ms)
            if abs(self._now_ms() - before) > _CORRECTED_MS:
                self._said = None
            if self._signed_at > self._now_ms() + AHEAD_MS:  # so far ahead that no reader has trusted it
                self._signed_at = 0
