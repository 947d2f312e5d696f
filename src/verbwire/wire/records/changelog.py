"""What a changelog says besides rows: how far the inputs are, and facts about the whole partition, as headers.

The last record of each transaction and partition carries them, so they move, and are restored, with the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

INPUTS_HEADER = "vw_inputs"
"""On the last changelog record of a batch and partition: how far the inputs are, ``topic:offset`` joined by commas."""

TIME_HEADER = "vw_time"
"""Beside it in a table of windows: the newest event time of the partition, in microseconds since the epoch."""

FACT_PREFIX = "vw_"
"""Whatever else stands beside them under such a name is a fact about the whole partition, as it is after that batch."""

DEAD_LETTERS_HEADER = "vw_letters"
"""A fact: how many records of the partition have become dead letters since its table began."""

MARK = b""
"""The key of changelog records that delete nothing: they carry those headers where a transaction changed no row.

No row can have it: empty keys are refused (wire/keys.py). Kafka compacts it like any other, it is not null.
"""


def read_facts(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, bytes]:
    """Return the facts about its partition that a changelog record's headers tell, beside positions and time."""
    return {
        name: value
        for name, value in headers
        if name.startswith(FACT_PREFIX) and name not in (INPUTS_HEADER, TIME_HEADER) and value is not None
    }


def dead_letter_count(facts: Mapping[str, bytes]) -> int:
    """Return how many dead letters these facts tell of."""
    return int(facts.get(DEAD_LETTERS_HEADER, b"0"))


def write_inputs(inputs: dict[str, int]) -> bytes:
    """Return the value of the header for these next offsets."""
    return ",".join(f"{topic}:{offset}" for topic, offset in inputs.items()).encode()


def read_inputs(value: bytes) -> dict[str, int]:
    """Return the next offsets that a header's value names."""
    pairs = (each.rpartition(":") for each in value.decode().split(",") if each)
    return {topic: int(offset) for topic, _, offset in pairs}
