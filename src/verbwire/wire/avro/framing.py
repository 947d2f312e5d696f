"""The Confluent wire format: a zero, the schema's id in four bytes, the body."""

from __future__ import annotations

HEADER_SIZE = 5


def frame(schema_id: int) -> bytes:
    """Return the five bytes that stand before every body written with that schema."""
    return b"\x00" + schema_id.to_bytes(4, "big")
