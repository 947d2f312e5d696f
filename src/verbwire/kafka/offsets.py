"""Asks the cluster for offsets, through confluent-kafka: aiokafka cannot ask for stable ones (KIP-447).

Every answer is a probe: nothing here waits for another client's transaction to end.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakValueDictionary

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from verbwire.errors import NotAuthorizedError, UnavailableError
from verbwire.kafka import denials
from verbwire.kafka.librdkafka import LOGGED
from verbwire.kafka.recreatable import PATIENT, ReplaceableClient
from verbwire.redaction import shown_address

_SECONDS = 10
_DESCRIBE_SECONDS = 30  # asked first by a new client, on machines that have just begun to start everything
_STABLE_SECONDS = 0.2  # a consumer that asks for stable offsets waits for them; we ask again, about everything
_STUCK_SECONDS = 30.0  # longer than a transaction lives
_ADMINS: WeakValueDictionary[object, ReplaceableClient[AdminClient]] = WeakValueDictionary()  # as long as one is in use
_ADMINS_LOCK = threading.Lock()
TP = tuple[str, int]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed offset that no open transaction may still change; None: the group never committed here."""

    offset: int | None
    by: str = ""  # the worker that committed it; empty where an operator has set it by hand


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """What identifies a topic: one that was deleted and created again has another id."""

    id: str
    partitions: int


class ClusterOffsets:
    """Committed offsets of one group, ends of logs, identities of topics. May be used by several threads.

    Offsets are asked for by consumers that join nothing: librdkafka's AdminClient ends the process, by a null pointer,
    when such a request of its own times out while the group has no coordinator (2.16, rdkafka_coord.c).
    """

    def __init__(self, kafka: dict[str, str], group: str) -> None:
        # What does not answer is named by our own errors.
        conf = {**PATIENT, **LOGGED, **kafka, "log_level": 2}
        asking = {**conf, "group.id": group, "enable.auto.commit": False, "enable.auto.offset.store": False}
        self._admin = _admin(conf)
        self._any = ReplaceableClient(lambda: Consumer({**asking, "isolation.level": "read_uncommitted"}), True)
        # Of a read_committed consumer librdkafka makes one that requires stable offsets (KIP-447).
        self._stable = ReplaceableClient(lambda: Consumer({**asking, "isolation.level": "read_committed"}), True)
        self._answered = time.monotonic()  # by the last of these three
        self._where = f"Kafka at {shown_address(kafka['bootstrap.servers'])}"

    def stable(self, wanted: Iterable[TP]) -> dict[TP, Committed]:
        """Return the committed offsets that are stable now; those under an open transaction are left out."""
        places = list(wanted)
        found = self._stable_ones(places)
        if found is None:  # at least one is not, or no broker answers, which the following finds out
            self._committed(places)
            found = {}
            for some in _by_partition(places):
                found |= self._stable_ones(some) or {}
        return found

    def committed(self, wanted: Iterable[TP]) -> dict[TP, Committed]:
        """Return the committed offsets as they are now; one that a transaction is about to change is as it was."""
        return _by_place(self._committed(list(wanted)))

    def last_workers(self, wanted: Iterable[TP]) -> set[str]:
        """Return who committed these partitions last: each worker leaves its name in the offset's metadata."""
        return {each.metadata for each in self._committed(list(wanted)) if each.metadata}

    def starts(self, wanted: Iterable[TP]) -> dict[TP, int]:
        """Return the first offset that each partition still holds."""
        return self._list(wanted, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)

    def ends(self, wanted: Iterable[TP]) -> dict[TP, int]:
        """Return the end of each log, open transactions included."""
        return self._list(wanted, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)

    def stable_ends(self, wanted: Iterable[TP]) -> dict[TP, int]:
        """Return each log's last stable offset: a `read_committed` reader gets no further."""
        return self._list(wanted, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)

    def topics(self, names: Sequence[str]) -> dict[str, TopicIdentity]:
        """Return id and number of partitions of each topic; UnavailableError when one is not there."""
        found = self.topic_identities(names)
        for name in names:
            if name not in found:
                raise UnavailableError(f"there is no topic {name}: run `verbwire deploy`")
        return found

    def topic_identities(self, names: Sequence[str]) -> dict[str, TopicIdentity]:
        """Return id and number of partitions of those of the topics that are there."""
        if not names:
            return {}
        found = {}
        with self._asking(self._admin, "what there is") as admin:
            futures = admin.describe_topics(TopicCollection(list(names)), request_timeout=_DESCRIBE_SECONDS)
            for name, future in futures.items():
                try:
                    topic = future.result()
                except KafkaException as error:
                    if denials.is_denied(error.args[0]):
                        raise NotAuthorizedError(denials.denied("DESCRIBE", f"TOPIC {name}")) from error
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
                else:
                    found[name] = TopicIdentity(str(topic.topic_id), len(topic.partitions))
        return found

    def settings(self, topics: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the settings of topics; of those that we may not ask about none."""
        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
        found: dict[str, dict[str, str]] = {}
        with self._asking(self._admin, "the settings of topics") as admin:
            for resource, future in admin.describe_configs(resources, request_timeout=_SECONDS).items():
                try:
                    found[resource.name] = {name: entry.value for name, entry in future.result().items()}
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                        raise
        return found

    def _committed(self, places: list[TP]) -> list[TopicPartition]:
        with self._asking(self._any, "the group's offsets") as consumer:
            found: list[TopicPartition] = consumer.committed([TopicPartition(*each) for each in places], _SECONDS)
            return found

    def _stable_ones(self, places: list[TP]) -> dict[TP, Committed] | None:
        """Return the offsets; None when one of them is not stable, or when there was no answer in time."""
        consumer = self._stable.get()
        try:
            found = consumer.committed([TopicPartition(*each) for each in places], _STABLE_SECONDS)
        except KafkaException:
            if time.monotonic() - self._answered > _STUCK_SECONDS:
                self._stable.failed(consumer)
                self._answered = time.monotonic()
            return None
        self._answered = time.monotonic()
        return _by_place(found)

    def _list(self, wanted: Iterable[TP], spec: OffsetSpec, isolation: IsolationLevel) -> dict[TP, int]:
        request: Mapping[TopicPartition, OffsetSpec] = {TopicPartition(*each): spec for each in wanted}
        if not request:
            return {}
        with self._asking(self._admin, "the ends of the log") as admin:
            futures = admin.list_offsets(dict(request), isolation_level=isolation, request_timeout=_SECONDS)
            found = {(tp.topic, tp.partition): future.result().offset for tp, future in futures.items()}
        return _require_offsets(found)

    @contextmanager
    def _asking(self, client: ReplaceableClient[T], what: str) -> Iterator[T]:
        asked = client.get()
        try:
            yield asked
        except KafkaException as error:
            client.failed(asked)
            otherwise = f"{self._where} did not answer the request for {what}"
            raise denials.unavailable(error.args[0], "DESCRIBE", what, otherwise) from error


def _admin(conf: Mapping[str, object]) -> ReplaceableClient[AdminClient]:
    """Return the process's client for these properties: it belongs to no group, and each costs threads and files."""
    key = tuple(sorted((name, str(value)) for name, value in conf.items()))
    with _ADMINS_LOCK:
        found = _ADMINS.get(key)
        if found is None:
            found = _ADMINS[key] = ReplaceableClient(lambda: AdminClient(dict(conf)))
        return found


def _require_offsets(found: dict[TP, int]) -> dict[TP, int]:
    """Return them, UnavailableError where one is none: a broker that was late has no error, only no offset (-1001)."""
    for (topic, partition), offset in found.items():
        if offset < 0:
            raise UnavailableError(f"Kafka did not tell an offset of {topic}/{partition} in time, but {offset}")
    return found


def _by_place(found: Iterable[TopicPartition]) -> dict[TP, Committed]:
    return {
        (each.topic, each.partition): Committed(each.offset if each.offset >= 0 else None, each.metadata or "")
        for each in found
        if each.error is None
    }


def _by_partition(places: Iterable[TP]) -> list[list[TP]]:
    found: dict[int, list[TP]] = defaultdict(list)
    for place in places:
        found[place[1]].append(place)
    return list(found.values())
