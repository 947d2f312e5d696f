"""Reading topics for the checker: confluent-kafka, fastavro and the registry's HTTP, nothing of verbwire.

What the engine reads and writes through verbwire.wire is read here a second way, so that an error would have to be
made twice to go unseen.
"""

from __future__ import annotations

import io
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.kit.offsets import GroupOffsets, ends

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: dict[str, bytes]
    name: str = ""  # of the Avro record
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """CloudEvents' id."""
        return self.headers.get("ce_id", b"").decode()

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition, offset."""
        return self.topic, self.partition, self.offset


def admin(bootstrap: str) -> AdminClient:
    """Return a client that finds the only broker again when it was killed and came back (librdkafka#5511)."""
    return AdminClient({"bootstrap.servers": bootstrap, "metadata.recovery.strategy": "none", "log_level": 2})


class Topics:
    """Everything that is committed in the topics of one cluster."""

    def __init__(self, bootstrap: str, registry_url: str) -> None:
        self._bootstrap = bootstrap
        self._registry_url = registry_url
        self.admin = admin(bootstrap)
        self._offsets = GroupOffsets(bootstrap)
        self._schemas: dict[int, Any] = {}

    def read(self, topic: str) -> list[Entry]:
        """Return all committed records of a topic, partition by partition in the order of the log."""
        return sorted(map(self._decoded, self.messages(topic)), key=lambda entry: (entry.partition, entry.offset))

    def last_offsets(self, topic: str) -> dict[int, int]:
        """Return the offset of the last committed record of each partition that has one."""
        last: dict[int, int] = {}
        for message in self.messages(topic):
            last[message.partition()] = max(last.get(message.partition(), 0), message.offset())
        return last

    def partitions(self, topic: str) -> list[int]:
        """Return the numbers of a topic's partitions; none where it does not exist."""
        try:
            return sorted(self.admin.list_topics(topic, timeout=SECONDS).topics[topic].partitions)
        except KafkaException:
            self.admin = admin(self._bootstrap)  # one that was told of no broker at all asks nobody any more
            raise

    def ends(self, topic: str) -> dict[int, int]:
        """Return the end of each partition, open transactions included."""
        return {each.partition: each.offset for each in ends(self.admin, self._places(topic))}

    def committed(self, group: str, topic: str, stable: bool = True) -> dict[int, tuple[int, str]]:
        """Return what the group has committed: partition -> offset and metadata. KafkaException while unstable."""
        found = self._offsets.committed(group, self._places(topic), stable, SECONDS / 5)
        return {each.partition: (each.offset, each.metadata or "") for each in found if each.offset >= 0}

    def _places(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, partition) for partition in self.partitions(topic)]

    def messages(self, topic: str) -> Iterator[Any]:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "checker",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                "log_level": 3,
            }
        )
        try:
            left = set(self.partitions(topic))
            consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
            while left:
                first = consumer.poll(SECONDS)
                if first is None:
                    raise AssertionError(f"{topic}: no answer for {SECONDS:.0f} s, partitions {sorted(left)} left")
                for message in [first, *consumer.consume(5000, 0)]:
                    if message.error() is None:
                        yield message
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        left.discard(message.partition())
                    else:
                        raise AssertionError(f"{topic}: {message.error().str()}")
        finally:
            consumer.close()

    def _decoded(self, message: Any) -> Entry:
        value = message.value()
        name, fields = ("", {}) if not value else self._record(value)
        return Entry(
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
            timestamp=message.timestamp()[1],
            key=message.key() or b"",
            value=value,
            headers=dict(message.headers() or []),
            name=name,
            fields=fields,
        )

    def _record(self, value: bytes) -> tuple[str, dict[str, Any]]:
        if value[0] != 0:
            return "", {}
        schema = self._schema(int.from_bytes(value[1:5], "big"))
        body = io.BytesIO(value[5:])
        fields: Any = fastavro.schemaless_reader(body, schema, None)
        assert not body.read(), f"bytes are left over after a {schema['name']}"
        return schema["name"], fields

    def _schema(self, schema_id: int) -> Any:
        if schema_id not in self._schemas:
            url = f"{self._registry_url}/schemas/ids/{schema_id}"
            with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 (the address of this test's registry)
                text = json.load(answer)["schema"]
            self._schemas[schema_id] = fastavro.parse_schema(json.loads(text))
        return self._schemas[schema_id]
