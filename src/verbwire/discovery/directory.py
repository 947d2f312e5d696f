"""The directory: which worker owns which partition, read from a compacted topic that workers write about themselves.

The directory only says which worker to ask. Whether it may answer is decided by that worker, by what it
knows of its own group: an entry that is out of date costs a 503, never a wrong row.

Whoever may write the topic may say anything there. So what workers say is signed by a key that only they have, and an
entry that is not is nobody's: it changes nothing that is believed. Written again later, one that was signed is as old
as it was: it counts as heard when it was signed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from verbwire.errors import UnavailableError, VerbwireError
from verbwire.kafka import denials
from verbwire.kafka.readers import is_end, reader_properties
from verbwire.names import DIRECTORY_READER, Names
from verbwire.observability.watch.throttle import Throttle
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.signatures import UnsignedError, Verify, signed_at
from verbwire.wire.records.workers import WorkerRecord

log = logging.getLogger(__name__)

DEAD_SECONDS = 15.0  # without a word, by the broker's clock
SILENT_SECONDS = 7.0  # likewise: two beats were left out
_FORGOTTEN_SECONDS = 300.0  # what a worker left open when it died has timed out long ago
_START_SECONDS = 10.0
_LATE_MS = 3_000  # between the signature of an entry and the broker's stamp: what a slow acknowledgement may take
AHEAD_MS = 5_000  # likewise, the other way round: who signs so much later than the broker has yet to learn its time
_DOUBTED = 100  # entries that are not believed, kept to be shown
_POLL_SECONDS = 0.25  # so long the thread may take to notice that it is to stop
_LOST_SECONDS = 10.0  # without a word after all brokers were gone: a new client begins from the bootstrap addresses


@dataclass(frozen=True, slots=True)
class WorkerSighting:
    """What a worker said of itself, and when by the broker's clock, in milliseconds since the epoch."""

    worker: WorkerRecord
    at_ms: int
    signed_at: int = 0


@dataclass(frozen=True, slots=True)
class UntrustedWorker:
    """An entry whose signature does not prove a worker of this project: `name` as its key says, and why not."""

    name: str
    url: str
    at_ms: int
    why: str


class Directory:
    """Follows what the workers say. Asked from any thread; never waits but in :meth:`wait`.

    The broker's clock alone tells which workers are silent: its newest timestamp here, and what has passed since.
    `verify` tells the workers' signatures from others; without it everything is believed that can be read.
    """

    def __init__(self, kafka: dict[str, str], codec: Codec, verify: Verify | None) -> None:
        names: Names = codec.names
        self._topic = names.workers()
        self._decoder = codec.topic_decoder(self._topic, "verbwire", {WorkerRecord.__contract__: WorkerRecord})
        self._entries: dict[str, WorkerSighting] = {}
        self._gone: dict[str, int] = {}  # when those signed who have taken themselves out, as long as it is fresh
        self._doubted: dict[str, UntrustedWorker] = {}
        self._told = Throttle[str]()
        self._verify = verify
        self._claims: dict[tuple[str, int], list[WorkerSighting]] = {}  # replaced, never changed: read without a lock
        self._newest = (0, time.monotonic())  # the broker's time, and ours when we learned it
        self._heard_live: tuple[int, float] | None = None  # the same, of what was written while we listened
        self._complete = threading.Event()
        self._stopping = threading.Event()
        self._failure: KafkaError | None = None
        self._lost = False  # all brokers were gone, and nothing was heard since
        self._heard = time.monotonic()
        self._conf = reader_properties(
            kafka, DIRECTORY_READER, fetch_wait_max_ms=500, queued_max_messages_kbytes=2048
        ) | {"error_cb": self._note}
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
            where = f"the directory of workers ({self._topic}) cannot be read"
            if self._failure is None:
                raise UnavailableError(f"{where}: the broker does not answer")
            raise denials.unavailable(self._failure, "READ", f"TOPIC {self._topic}", where)

    def close(self) -> None:
        """Let go of the broker."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._consumer.close()

    def seen(self) -> list[WorkerSighting]:
        """Every worker that has not taken itself out, by name, the silent ones among them."""
        return sorted(self._entries.values(), key=lambda seen: seen.worker.name)

    def doubted(self) -> list[UntrustedWorker]:
        """What is there and is not believed, by name; of very much of it, the first."""
        return sorted(self._doubted.copy().values(), key=lambda each: each.name)

    def is_alive(self, seen: WorkerSighting) -> bool:
        """Whether it has been heard of lately."""
        return self._silent_seconds(seen) < DEAD_SECONDS

    def dead(self, named: Collection[str]) -> set[str]:
        """Return which of the named and the recent workers have an overdue heartbeat; those that left have no entry."""
        entries = self._entries
        silent = {name: self._silent_seconds(seen) for name, seen in entries.items()}
        lately = {name for name, seconds in silent.items() if seconds < _FORGOTTEN_SECONDS}
        return {name for name in {*named, *lately} if silent.get(name, SILENT_SECONDS) >= SILENT_SECONDS}

    def _silent_seconds(self, seen: WorkerSighting) -> float:
        at_ms, learned = self._newest
        return (at_ms - seen.at_ms) / 1000 + time.monotonic() - learned

    def broker_now_ms(self) -> int | None:
        """Return the broker's time, in milliseconds since the epoch; None before a worker was heard since the start."""
        if self._heard_live is None:
            return None
        at_ms, learned = self._heard_live
        return at_ms + int((time.monotonic() - learned) * 1000)

    def workers(self) -> list[WorkerRecord]:
        """The workers that may be asked."""
        return [seen.worker for seen in self.seen() if self._askable(seen)]

    def owner(self, group: str, partition: int) -> WorkerRecord | None:
        """Return the owner of a partition of a group (its name as declared), None where none is known."""
        return next((seen.worker for seen in self._claims.get((group, partition), ()) if self._askable(seen)), None)

    def caught_up(self, group: str, partition: int) -> bool:
        """Whether its owner says that it has read the sources of a partition to where they ended when it began."""
        owner = self.owner(group, partition)
        return owner is not None and any(
            share.group == group and partition in share.caught_up for share in owner.groups
        )

    def _askable(self, seen: WorkerSighting) -> bool:
        return bool(seen.worker.url) and not seen.worker.leaving and self.is_alive(seen)

    # -- on its own thread

    def _follow(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, 0, OFFSET_BEGINNING)])

    def _note(self, error: KafkaError) -> None:
        """Remember that no broker is reached. Called by librdkafka, within a call of the consumer."""
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
            first = self._consumer.poll(_POLL_SECONDS)  # consume() alone would wait until there are so many
            if first is None:
                continue
            said = [self._take(message) for message in (first, *self._consumer.consume(1000, 0))]
            if any(said):
                self._claims = _claims(self._entries.values())

    def _take(self, message: Message) -> bool:
        """Note what a message says; return whether it says anything."""
        if is_end(message):
            self._lost = False
            self._complete.set()
            return False
        if error := message.error():
            self._failure = error
            return False
        self._lost, self._heard = False, time.monotonic()
        self._newest = message.timestamp()[1], time.monotonic()
        if self._complete.is_set():
            self._heard_live = self._newest
        try:
            self._believe(message)
        except UnsignedError as why:
            self._doubt(message, str(why))
        return True

    def _believe(self, message: Message) -> None:
        """Take what a worker says of itself; :class:`UnsignedError` where it is not known to be a worker's word."""
        name, at_ms, signed_ms = _name(message), message.timestamp()[1], 0
        if self._verify is not None:
            key, value = message.key() or b"", message.value()
            signed_ms = signed_at(self._verify, self._topic, key, value, message.headers())
            if signed_ms > at_ms + AHEAD_MS:
                log.info("the clock of worker %s is %d ms ahead of the broker's", name, signed_ms - at_ms)
                return
            if signed_ms < self._last_signed(name):  # replayed: written again by another
                return
            at_ms = min(at_ms, signed_ms + _LATE_MS)
        self._doubted.pop(name, None)
        entries = {**self._entries}
        entries.pop(name, None)
        if message.value() is not None:
            record = self._read(message.value())
            if record is not None:
                entries[name] = WorkerSighting(record, at_ms, signed_ms)
        elif self._verify is not None:
            fresh = at_ms - _FORGOTTEN_SECONDS * 1000
            self._gone = {each: when for each, when in self._gone.items() if when > fresh} | {name: signed_ms}
        self._entries = entries

    def _last_signed(self, name: str) -> int:
        seen = self._entries.get(name)
        return max(self._gone.get(name, 0), seen.signed_at if seen else 0)

    def _doubt(self, message: Message, why: str) -> None:
        """Keep what is not believed to be shown, and tell of it once a minute."""
        name, value = _name(message), message.value()
        if value is None:
            self._doubted.pop(name, None)
            return
        if name not in self._doubted and len(self._doubted) >= _DOUBTED:
            return
        if self._told.admit(name) is None:
            return
        try:
            record = self._decoder.decode(value)
        except VerbwireError:
            record = None
        url = record.url if isinstance(record, WorkerRecord) else ""
        self._doubted[name] = UntrustedWorker(name, url, message.timestamp()[1], why)
        log.warning(
            "%s holds an entry of %.100r at %.200r that is ignored: %s. Is it a worker with another "
            "http_internal_secret, or of an older verbwire? Else another principal may write there: check the ACLs",
            *(self._topic, name, url, why),
        )

    def _read(self, value: Any) -> WorkerRecord | None:
        try:
            record = self._decoder.decode(value)
        except VerbwireError as error:
            log.warning("an entry of the directory cannot be read: %s", error)
            return None
        return record if isinstance(record, WorkerRecord) else None


def _name(message: Message) -> str:
    return (message.key() or b"").decode(errors="replace")


def _claims(entries: Any) -> dict[tuple[str, int], list[WorkerSighting]]:
    """Map partitions to the workers that announce them, those of the group's latest generation first."""
    claims: dict[tuple[str, int], list[tuple[int, int, WorkerSighting]]] = {}
    for seen in entries:
        for share in seen.worker.groups:
            for partition in share.owned:
                claims.setdefault((share.group, partition), []).append((share.generation, seen.at_ms, seen))
    return {
        place: [seen for *_, seen in sorted(found, key=lambda each: each[:2], reverse=True)]
        for place, found in claims.items()
    }
