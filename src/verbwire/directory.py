"""Who answers for what: every worker says it of itself in a compacted topic, and everybody may read it.

The directory only says whom to ask. Whether an answer may be given is decided by the one who is asked, by what it
knows of its own group: an entry that is out of date costs a 503, never a wrong row.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from verbwire.anew import PATIENT, Anew
from verbwire.errors import UnavailableError, VerbwireError
from verbwire.librdkafka import LOGGED
from verbwire.names import Names
from verbwire.wire.codec import Codec
from verbwire.wire.workers import WORKER, GroupShare, WorkerRecord

log = logging.getLogger(__name__)

BEAT_SECONDS = 3.0
LOOK_SECONDS = 0.05  # how soon a change is noticed; looking costs microseconds
DEAD_SECONDS = 15.0  # without a word, by the broker's clock
SILENT_SECONDS = 7.0  # likewise: two beats were left out
_FORGOTTEN_SECONDS = 300.0  # what a worker left open when it died has timed out long ago
_FLUSH_SECONDS = 2.0
_START_SECONDS = 10.0
_LOG_APPEND_TIME = 2
_LOST_SECONDS = 10.0  # without a word after all brokers were gone: a new client begins from the bootstrap addresses


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker said of itself, and when by the broker's clock, in milliseconds since the epoch."""

    worker: WorkerRecord
    at_ms: int


class Announcer:
    """Says what this worker answers for: at its start, whenever that changes, and every few seconds.

    `shares` is asked from a thread of the announcer's own. `observe` is told the broker's time, now and then.
    """

    def __init__(
        self,
        kafka: dict[str, str],
        codec: Codec,
        name: str,
        shares: Callable[[], Sequence[GroupShare]],
        observe: Callable[[int], None],
    ) -> None:
        self._topic = codec.names.workers()
        self._encode = codec.encoder(WORKER)
        self._name = name
        self._url = ""
        self._shares = shares
        self._observe = observe
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
            **PATIENT,
            **LOGGED,
            "log_level": 2,
        }
        self._failed = False
        self._producer = Anew(lambda: Producer(conf))
        self._thread = threading.Thread(target=self._run, name="verbwire-announcer", daemon=True)

    def start(self, url: str) -> None:
        """Begin to announce; `url` is where others reach this worker."""
        self._url = url
        self._thread.start()

    def leave(self) -> None:
        """Say that this worker is about to stop: nobody should ask it any more. Waits for the broker, bounded."""
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
        due = 0.0
        while not self._stopping:
            if self._failed:
                self._failed = False
                self._producer.failed(self._producer.get())
            now = (self._leaving, tuple(self._shares()))
            if now != self._said or time.monotonic() > due:
                self._announce(*now)
                self._said, due = now, time.monotonic() + BEAT_SECONDS
            self._producer.get().poll(0)
            self._changed.wait(LOOK_SECONDS)
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
        try:
            producer = self._producer.get()
            producer.produce(self._topic, value, self._name.encode(), partition=0, on_delivery=self._delivered)
        except (BufferError, KafkaException) as error:
            log.warning("this worker could not be announced: %s", error)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed = True
            log.warning("this worker could not be announced: %s", error.str())
            return
        kind, at_ms = message.timestamp()
        if kind == _LOG_APPEND_TIME:
            self._observe(at_ms)


class Directory:
    """Follows what the workers say. Asked from any thread; never waits but in :meth:`wait`.

    The broker's clock alone tells who is silent: its present is its newest timestamp here, and what has passed since.
    """

    def __init__(self, kafka: dict[str, str], codec: Codec) -> None:
        names: Names = codec.names
        self._topic = names.workers()
        self._decoder = codec.topic_decoder(self._topic, "verbwire", {WorkerRecord.__contract__: WorkerRecord})
        self._entries: dict[str, Seen] = {}
        self._claims: dict[tuple[str, int], list[Seen]] = {}  # replaced, never changed: read without a lock
        self._newest = (0, time.monotonic())  # the broker's time, and ours when we learned it
        self._complete = threading.Event()
        self._stopping = threading.Event()
        self._failure: KafkaError | None = None
        self._lost = False  # all brokers were gone, and nothing was heard since
        self._heard = time.monotonic()
        self._conf: dict[str, Any] = {
            **kafka,
            "group.id": "verbwire.directory",  # named only because librdkafka asks for one: nothing is committed
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
            "error_cb": self._note,
            **PATIENT,
            **LOGGED,
            "log_level": 2,
        }
        self._consumer = Consumer(self._conf)
        self._thread = threading.Thread(target=self._run, name="verbwire-directory", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._follow()
        self._thread.start()

    def wait(self, seconds: float = _START_SECONDS) -> None:
        """Wait until all that was said before :meth:`start` is known.

        :class:`UnavailableError` when that is not so after `seconds`; it goes on to try.
        """
        if not self._complete.wait(seconds):
            why = self._failure.str() if self._failure else "the broker does not answer"
            raise UnavailableError(f"the directory of workers ({self._topic}) cannot be read: {why}")

    def close(self) -> None:
        """Let go of the broker."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._consumer.close()

    def seen(self) -> list[Seen]:
        """Every worker that has not taken itself out, by name, the silent ones among them."""
        return sorted(self._entries.values(), key=lambda seen: seen.worker.name)

    def is_alive(self, seen: Seen) -> bool:
        """Whether it has been heard of lately."""
        return self._silent_seconds(seen) < DEAD_SECONDS

    def dead(self, named: Collection[str]) -> set[str]:
        """Return which of the named, and of those heard of not long ago, have been silent; who is not here has gone."""
        entries = self._entries
        silent = {name: self._silent_seconds(seen) for name, seen in entries.items()}
        lately = {name for name, seconds in silent.items() if seconds < _FORGOTTEN_SECONDS}
        return {name for name in {*named, *lately} if silent.get(name, SILENT_SECONDS) >= SILENT_SECONDS}

    def _silent_seconds(self, seen: Seen) -> float:
        at_ms, learned = self._newest
        return (at_ms - seen.at_ms) / 1000 + time.monotonic() - learned

    def workers(self) -> list[WorkerRecord]:
        """The workers that may be asked."""
        return [seen.worker for seen in self.seen() if self._askable(seen)]

    def owner(self, group: str, partition: int) -> WorkerRecord | None:
        """Return who owns a partition of a group (its name as declared), None when nobody is known to."""
        return next((seen.worker for seen in self._claims.get((group, partition), ()) if self._askable(seen)), None)

    def caught_up(self, group: str, partition: int) -> bool:
        """Whether its owner says that it has read the sources of a partition to where they ended when it began."""
        owner = self.owner(group, partition)
        return owner is not None and any(
            share.group == group and partition in share.caught_up for share in owner.groups
        )

    def _askable(self, seen: Seen) -> bool:
        return bool(seen.worker.url) and not seen.worker.leaving and self.is_alive(seen)

    # -- on its own thread

    def _follow(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, 0, OFFSET_BEGINNING)])

    def _note(self, error: KafkaError) -> None:
        """Remember that nobody is reached. Called by librdkafka, within a call of the consumer."""
        self._lost = self._lost or error.code() == KafkaError._ALL_BROKERS_DOWN

    def _begin_anew(self) -> None:
        self._consumer.close()
        self._consumer = Consumer(self._conf)
        self._follow()
        self._lost, self._heard = False, time.monotonic()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._lost and time.monotonic() - self._heard > _LOST_SECONDS:
                self._begin_anew()
            said = [self._take(message) for message in self._consumer.consume(1000, 0.1)]
            if any(said):
                self._claims = _claims(self._entries.values())

    def _take(self, message: Message) -> bool:
        """Note what a message says; return whether it says anything."""
        if error := message.error():
            if error.code() == KafkaError._PARTITION_EOF:
                self._lost = False
                self._complete.set()
            else:
                self._failure = error
            return False
        self._lost, self._heard = False, time.monotonic()
        name = (message.key() or b"").decode(errors="replace")
        at_ms = message.timestamp()[1]
        self._newest = at_ms, time.monotonic()
        entries = {**self._entries}
        entries.pop(name, None)
        if message.value() is not None:
            record = self._read(message.value())
            if record is not None:
                entries[name] = Seen(record, at_ms)
        self._entries = entries
        return True

    def _read(self, value: Any) -> WorkerRecord | None:
        try:
            record = self._decoder.decode(value)
        except VerbwireError as error:
            log.warning("an entry of the directory cannot be read: %s", error)
            return None
        return record if isinstance(record, WorkerRecord) else None


def _claims(entries: Any) -> dict[tuple[str, int], list[Seen]]:
    """Who says that a partition is theirs, those who know the latest generation of its group first."""
    claims: dict[tuple[str, int], list[tuple[int, int, Seen]]] = {}
    for seen in entries:
        for share in seen.worker.groups:
            for partition in share.owned:
                claims.setdefault((share.group, partition), []).append((share.generation, seen.at_ms, seen))
    return {
        place: [seen for *_, seen in sorted(found, key=lambda each: each[:2], reverse=True)]
        for place, found in claims.items()
    }
