"""The records of a run, and their bytes as one writes them by hand with fastavro."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import fastavro

from benchmarks.place import schema

CUSTOMERS = 1000
REPEATING = 100_000  # keys
_ODD = 2654435761  # Knuth's: its multiples modulo 2**32 are all different, and in no order


class Codec:
    """One schema; the frame of five bytes is written, and stepped over when reading, as everybody does."""

    def __init__(self, name: str) -> None:
        self._schema = fastavro.parse_schema(schema(name), named_schemas={})

    def encode(self, values: dict[str, Any]) -> bytes:
        """Return a record's value."""
        out = io.BytesIO()
        out.write(b"\0\0\0\0\1")
        fastavro.schemaless_writer(out, self._schema, values)
        return out.getvalue()

    def decode(self, value: bytes) -> dict[str, Any]:
        """Return the fields of a record's value."""
        found: dict[str, Any] = fastavro.schemaless_reader(io.BytesIO(value[5:]), self._schema)
        return found


def counted(i: int) -> int:
    """Return the number of an order, each higher than the one before."""
    return i


def scattered(i: int) -> int:
    """Return the number of an order, each another one, in no order, as identifiers are."""
    return i * _ODD % 2**32


def repeating(i: int) -> int:
    """Return the number of an order, one of so many, in no order."""
    return scattered(i) % REPEATING


def events(number: int) -> Iterator[dict[str, Any]]:
    """Orders that were placed, each under a key of its own."""
    for i in range(number):
        yield {
            "order_id": f"o{i}",
            "customer_id": f"c{i % CUSTOMERS}",
            "total_pence": i,
            "items": [{"sku": "a", "quantity": 1}, {"sku": "b", "quantity": 2}],
        }


def commands(number: int) -> Iterator[dict[str, Any]]:
    """Orders to place, each under a key of its own."""
    for i in range(number):
        yield {"order_id": f"o{i}", "customer_id": f"c{i % CUSTOMERS}", "total_pence": i}


def headers(kind: str, id: str) -> list[tuple[str, bytes]]:
    """The headers that verbwire's client writes, as cheaply as they can be made by hand."""
    return [*_CONSTANT[kind], ("ce_id", id.encode())]


def _constant(name: str) -> list[tuple[str, bytes]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", f"bench.{name}".encode()),
        ("ce_source", b"bench"),
        ("ce_dataschema", f"urn:avro:bench.{name}:0123456789abcdef".encode()),
        ("ce_actor", b"benchmark"),
        ("ce_scopes", b"orders:write"),
    ]


_CONSTANT = {"event": _constant("orders.OrderPlaced"), "command": _constant("desk.PlaceOrder")}
