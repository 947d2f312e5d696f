"""What the cluster says of offsets, asked through confluent-kafka: aiokafka cannot ask for stable ones (KIP-447).

Every answer is a probe: nothing here waits for a transaction of somebody else to end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from verbwire.errors import UnavailableError

_SECONDS = 10
TP = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed offset that no open transaction may still change; None: the group never committed here."""

    offset: int | None


@dataclass(frozen=True, slots=True)
class Topic:
    """What identifies a topic: one that was deleted and created again has another id."""

    id: str
    partitions: int


class ClusterOffsets:
    """Committed offsets of one group, ends of logs, identities of topics."""

    def __init__(self, kafka: dict[str, str], group: str) -> None:
        # What does not answer is told by our own errors. The strategy: see producers.py.
        self._conf = {"metadata.recovery.strategy": "none", **kafka, "log_level": 2}
        self._admin = AdminClient(self._conf)
        self._group = group
        self._where = f"Kafka at {kafka['bootstrap.servers']}"

    def stable(self, wanted: Iterable[TP]) -> dict[TP, Committed]:
        """Return the committed offsets that are stable now; those under an open transaction are left out."""
        try:
            found = self._committed(wanted, require_stable=True)
        except KafkaException as error:  # librdkafka also answers UNSTABLE_OFFSET_COMMIT for the request as a whole
            if error.args[0].code() == KafkaError.UNSTABLE_OFFSET_COMMIT:
                return {}
            raise _unreadable(error) from error
        return {
            (each.topic, each.partition): Committed(each.offset if each.offset >= 0 else None)
            for each in found
            if each.error is None
        }

    def last_workers(self, wanted: Iterable[TP]) -> set[str]:
        """Return who committed these partitions last: each worker leaves its name in the offset's metadata."""
        try:
            return {each.metadata for each in self._committed(wanted, require_stable=False) if each.metadata}
        except KafkaException as error:
            raise _unreadable(error) from error

    def starts(self, wanted: Iterable[TP]) -> dict[TP, int]:
        """Return the first offset that each partition still holds."""
        return self._list(wanted, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)

    def ends(self, wanted: Iterable[TP]) -> dict[TP, int]:
        """Return the end of each log, open transactions included."""
        return self._list(wanted, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)

    def stable_ends(self, wanted: Iterable[TP]) -> dict[TP, int]:
        """Return each log's last stable offset: a `read_committed` reader gets no further."""
        return self._list(wanted, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)

    def topics(self, names: Sequence[str]) -> dict[str, Topic]:
        """Return id and number of partitions of each topic; UnavailableError when one is not there."""
        futures = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=_SECONDS)
        found = {}
        for name, future in futures.items():
            try:
                topic = future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise UnavailableError(f"there is no topic {name}: run `verbwire deploy`") from error
                self._connect_anew()
                raise UnavailableError(f"{self._where} does not tell of topic {name}: {error.args[0].str()}") from error
            found[name] = Topic(str(topic.topic_id), len(topic.partitions))
        return found

    def tombstone_seconds(self, topic: str) -> float:
        """Return how long deletions stay in a compacted topic (delete.retention.ms)."""
        resource = ConfigResource(ResourceType.TOPIC, topic)
        try:
            found = self._admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
        except KafkaException as error:
            self._connect_anew()
            raise UnavailableError(f"cannot read the settings of {topic}: {error.args[0].str()}") from error
        return float(found["delete.retention.ms"].value) / 1000

    def _committed(self, wanted: Iterable[TP], require_stable: bool) -> list[TopicPartition]:
        request = ConsumerGroupTopicPartitions(self._group, [TopicPartition(*each) for each in wanted])
        futures = self._admin.list_consumer_group_offsets(
            [request], require_stable=require_stable, request_timeout=_SECONDS
        )
        try:
            return list(next(iter(futures.values())).result().topic_partitions)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNSTABLE_OFFSET_COMMIT:
                self._connect_anew()
            raise

    def _list(self, wanted: Iterable[TP], spec: OffsetSpec, isolation: IsolationLevel) -> dict[TP, int]:
        request: Mapping[TopicPartition, OffsetSpec] = {TopicPartition(*each): spec for each in wanted}
        if not request:
            return {}
        try:
            futures = self._admin.list_offsets(dict(request), isolation_level=isolation, request_timeout=_SECONDS)
            return {(tp.topic, tp.partition): future.result().offset for tp, future in futures.items()}
        except KafkaException as error:
            self._connect_anew()
            raise UnavailableError(f"cannot read the ends of the log: {error.args[0].str()}") from error

    def _connect_anew(self) -> None:
        """Begin from the bootstrap addresses, after a failure.

        The old client may go on asking a coordinator that is gone (librdkafka#5511). And it knows no broker at all any
        more, for ever, once it was told of none: a node that stalls for longer than its session is left out of what
        it tells of the cluster, while it goes on answering.
        """
        self._admin = AdminClient(self._conf)


def _unreadable(error: KafkaException) -> UnavailableError:
    return UnavailableError(f"cannot read the group's offsets: {error.args[0].str()}")
