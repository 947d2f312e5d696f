"""Offsets as tests ask for them and set them.

Those of groups go through consumers that join nothing: librdkafka's AdminClient would end the whole test run, by a null
pointer, when such a request times out on a broker that is slow or gone (2.16, rdkafka_coord.c).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

SECONDS = 10.0


def committed(
    bootstrap: str, group: str, places: Sequence[TopicPartition], stable: bool = False, seconds: float = SECONDS
) -> list[TopicPartition]:
    """Return what the group has committed, -1001 for nothing.

    KafkaException when nobody answers in time; with `stable`, also while a transaction is open on one of the places.
    """
    # librdkafka requires stable offsets for a consumer that is read_committed (KIP-447).
    with _asking(bootstrap, group, "read_committed" if stable else "read_uncommitted") as consumer:
        found: list[TopicPartition] = consumer.committed(list(places), seconds)
        return found


def commit(bootstrap: str, group: str, offsets: Sequence[TopicPartition]) -> None:
    """Let a group that nobody is in have dealt with everything below these offsets."""
    with _asking(bootstrap, group, "read_uncommitted") as consumer:
        consumer.commit(offsets=list(offsets), asynchronous=False)


def ends(admin: AdminClient, places: Sequence[TopicPartition]) -> list[TopicPartition]:
    """Return where the logs end, open transactions included; nothing while one has no leader yet, or is not told of."""
    wanted = {each: OffsetSpec.latest() for each in places}
    answers = admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=SECONDS)
    try:
        found = [TopicPartition(at.topic, at.partition, future.result().offset) for at, future in answers.items()]
    except KafkaException as error:
        if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
            raise
        return []
    return found if all(each.offset >= 0 for each in found) else []  # -1001, without an error, from a late broker


@contextmanager
def _asking(bootstrap: str, group: str, isolation: str) -> Iterator[Consumer]:
    conf = {"bootstrap.servers": bootstrap, "metadata.recovery.strategy": "none", "log_level": 2}
    consumer = Consumer({**conf, "group.id": group, "enable.auto.commit": False, "isolation.level": isolation})
    try:
        yield consumer
    finally:
        consumer.close()
