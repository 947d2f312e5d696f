"""Proof of membership in a consumer group, as a transaction carries it (KIP-447).

confluent-kafka hands this proof around as bytes whose form is librdkafka's own (rdkafka_cgrp.c, "CGMDv2"). Faust's
group is aiokafka's, so the bytes are built here from its generation and member id. `verify_form` compares them with
librdkafka's at start-up: a worker refuses to run on a difference.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from confluent_kafka import Consumer

from verbwire.errors import EngineError, FencedError

_MAGIC = b"CGMDv2:"


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """The membership under which partitions were assigned. Captured once per assignment, never read at commit time.

    Read at commit time it would be the membership of a later assignment: the broker checks member and generation,
    never ownership, and would let us commit for partitions that another worker has by then.
    """

    group: str
    generation: int
    member: str
    instance: str | None = None

    def proof(self) -> bytes:
        """Return the bytes for `send_offsets_to_transaction`; FencedError where there is no membership.

        The broker accepts generation -1 with an empty member id unchecked, so that pair must never leave us.
        """
        if self.generation < 1 or not self.member:
            raise FencedError(f"not a member of {self.group}: generation {self.generation}, member {self.member!r}")
        return encode(self.group, self.generation, self.member, self.instance)


def encode(group: str, generation: int, member: str, instance: str | None) -> bytes:
    """Return librdkafka's serialised group metadata."""
    named = b"\0" + instance.encode() + b"\0" if instance is not None else b"\x01"
    return _MAGIC + struct.pack("<i", generation) + group.encode() + b"\0" + member.encode() + b"\0" + named


def membership_of(consumer: Consumer) -> bytes:
    """Return the proof of a librdkafka consumer's membership as it is now; empty where there is none.

    Who has read it has to look *afterwards* whether a partition is still its own: then the group had not given it to
    anybody else by the generation that was read. For the thread that polls the consumer.
    """
    metadata = bytes(consumer.consumer_group_metadata())
    (generation,) = struct.unpack_from("<i", metadata, len(_MAGIC))
    return b"" if generation < 1 else metadata  # the broker takes such a generation unchecked


def verify_form() -> None:
    """Raise EngineError unless this librdkafka serialises group metadata the way we do."""
    for instance in (None, "a-worker"):
        config = {"bootstrap.servers": "127.0.0.1:1", "group.id": "a.group", "log_level": 0}
        consumer = Consumer({**config, **({} if instance is None else {"group.instance.id": instance})})
        try:
            theirs = bytes(consumer.consumer_group_metadata())
        finally:
            consumer.close()
        ours = encode("a.group", -1, "", instance)
        if theirs != ours:
            raise EngineError(
                f"librdkafka writes group metadata as {theirs!r}, we as {ours!r}: transactions would not be fenced. "
                "Install the confluent-kafka version that verbwire's dependencies name"
            )
