"""What the engine takes in: a record as any Kafka client hands it over."""

from __future__ import annotations

from typing import Protocol

from verbwire.wire.dead_letters import Placed


class Record(Placed, Protocol):
    """One record of an input topic; aiokafka's `ConsumerRecord` is one. Timestamps in milliseconds."""

    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102


INPUTS_HEADER = "vw_inputs"
"""On the last changelog record of a batch and partition: how far the inputs are, ``topic:offset`` joined by commas."""

TIME_HEADER = "vw_time"
"""Beside it in a table of windows: the newest event time of the partition, in microseconds since the epoch."""

MARK = b"\x00verbwire"
"""The key of changelog records that delete nothing: they carry that header where a transaction changed no row."""


def write_inputs(inputs: dict[str, int]) -> bytes:
    """Return the value of the header for these next offsets."""
    return ",".join(f"{topic}:{offset}" for topic, offset in inputs.items()).encode()


def read_inputs(value: bytes) -> dict[str, int]:
    """Return the next offsets that a header's value names."""
    pairs = (each.rpartition(":") for each in value.decode().split(",") if each)
    return {topic: int(offset) for topic, _, offset in pairs}
