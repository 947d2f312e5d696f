"""Offsets as tests ask for them and set them.

Those of groups go through consumers that join nothing: librdkafka's AdminClient would end the whole test run, by a null
pointer, when such a request times out on a broker that is slow or gone (2.16, rdkafka_coord.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

SECONDS = 10.0


class GroupOffsets:
    """What groups have committed, asked for as often as one likes; may be used by several threads."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumers: dict[tuple[str, bool], Consumer] = {}

    def committed(
        self, group: str, places: Sequence[TopicPartition], stable: bool = False, seconds: float = SECONDS
    ) -> list[TopicPartition]:
        """Return the offsets, -1001 for none.

        KafkaException when nobody answers in time; with `stable`, also while a transaction is open on one of them.
        """
        # librdkafka requires stable offsets for a consumer that is read_committed (KIP-447).
        isolation = "read_committed" if stable else "read_uncommitted"
        consumer = self._consumers.get((group, stable)) or _member_of_nothing(self._bootstrap, group, isolation)
        self._consumers[group, stable] = consumer
        try:
            found: list[TopicPartition] = consumer.committed(list(places), seconds)
            return found
        except KafkaException:
            self._consumers.pop((group, stable), None)  # it may go on asking a coordinator that is gone
            raise


def commit(bootstrap: str, group: str, offsets: Sequence[TopicPartition]) -> None:
    """Let a group that nobody is in have dealt with everything below these offsets."""
    with closing(_member_of_nothing(bootstrap, group, "read_uncommitted")) as consumer:
        consumer.commit(offsets=list(offsets), asynchronous=False)


def _member_of_nothing(bootstrap: str, group: str, isolation: str) -> Consumer:
    conf = {"bootstrap.servers": bootstrap, "metadata.recovery.strategy": "none", "log_level": 2}
    return Consumer({**conf, "group.id": group, "enable.auto.commit": False, "isolation.level": isolation})


def ends(admin: AdminClient, places: Sequence[TopicPartition]) -> list[TopicPartition]:
    """Return where the logs end, open transactions included; nothing while that is not told of all.

    A topic that has just been made has no leader yet.
    """
    wanted = {each: OffsetSpec.latest() for each in places}
    answers = admin.list_offsets(wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=SECONDS)
    try:
        found = [TopicPartition(at.topic, at.partition, future.result().offset) for at, future in answers.items()]
    except KafkaException:
        return []
    return found if all(each.offset >= 0 for each in found) else []  # -1001, without an error, from a late broker
