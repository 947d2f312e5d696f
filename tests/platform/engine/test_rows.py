"""Rows of a batch: encoded together they are what each would be, and an error names the row whose it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit.contract_projects import record
from tests.kit.contracts_made import made
from verbwire.engine.processors.rows import RowCodec
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import MessageError, UnencodableError
from verbwire.names import Names
from verbwire.testing.memory.registry import MemoryRegistry
from verbwire.wire.codec.topics import Codec

FIELDS: dict[str, Any] = {
    "id": "string",
    "words": {"type": "string", "maxLength": 30},
    "pence": "long",
    "at": {"type": "long", "logicalType": "timestamp-millis"},
    "note": ["null", "string"],
}
BOUNDED = [
    {"name": name, **(avro if isinstance(avro, dict) and "maxLength" in avro else {"type": avro})}
    for name, avro in FIELDS.items()
]
CHANGELOG = "changelog"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    catalog, classes = made(tmp_path_factory.mktemp("rows"), record("Jar", BOUNDED, kind="row", key="id"))
    return catalog, classes["Jar"]


@pytest.fixture
def rows(catalog: tuple[Any, Any]) -> Callable[..., RowCodec]:
    def codec(index: tuple[str, ...] = (), search: tuple[str, ...] = (), limit: int | None = None) -> RowCodec:
        found, names = catalog[0], Names("shop", "t")
        limits = RecordLimits()
        if limit is not None:
            limits.learn({CHANGELOG: limit})
        codec = Codec(found, MemoryRegistry([*found], names), names)
        return RowCodec(codec, CHANGELOG, catalog[1], index, search, limits)

    return codec


@pytest.fixture
def some(catalog: tuple[Any, Any]) -> dict[bytes, Any]:
    jar = catalog[1](id="a", words="red", pence=1, at=datetime(2026, 1, 2, tzinfo=UTC), note=None)
    return {b"a": jar, b"gone": None, b"b": replace(jar, id="b", pence=-7, note="dented")}


@pytest.mark.parametrize(
    ("index", "search"),
    [((), ()), (("pence",), ()), (("words", "note"), ()), (("at", "pence"), ()), (("pence",), ("words", "note"))],
)
def test_rows_encoded_together_are_what_each_would_be(
    rows: Callable[..., RowCodec], some: dict[bytes, Any], index: tuple[str, ...], search: tuple[str, ...]
) -> None:
    codec = rows(index, search)
    each = {key: None if row is None else codec.encode(key, row) for key, row in some.items()}
    found = codec.encode_all(some)
    assert found == {key: None if one is None else (one[0], *one[1]) for key, one in each.items()}
    assert [*found] == [*some]
    assert codec.encode_all({b"gone": None}) == {b"gone": None}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "another"}, "the row's id is not the event's key"),
        ({"id": ""}, "cannot be keyed by id: the key is empty"),
        ({"pence": "much"}, r"does not fit its schema.*pence"),
        ({"pence": 2**63}, r"does not fit its schema.*pence"),
        ({"words": "x" * 31}, "out of the bounds of its contract: words"),
    ],
)
def test_rows_encoded_together_are_refused_for_the_one_that_is_wrong(
    rows: Callable[..., RowCodec], some: dict[bytes, Any], change: dict[str, Any], why: str
) -> None:
    with pytest.raises(MessageError, match=why):
        rows(("pence",)).encode_all({**some, b"c": replace(some[b"a"], **{"id": "c", **change})})


def test_rows_encoded_together_are_held_to_their_topic_one_by_one(
    rows: Callable[..., RowCodec], some: dict[bytes, Any]
) -> None:
    codec, jar = rows((), (), 60_000), some[b"a"]
    fits, large = replace(jar, note="x" * 30_000), replace(jar, note="x" * 52_000)
    assert len(codec.encode_all({b"a": fits, b"b": some[b"b"]})) == 2
    with pytest.raises(UnencodableError, match=r"a row of shop.carts.Jar is 52\d+ bytes with its key"):
        codec.encode_all({b"a": large, b"b": some[b"b"]})


def test_rows_are_encoded_together_in_one_step(
    rows: Callable[..., RowCodec], some: dict[bytes, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is what it is for: a batch that is as it should be does not go row by row."""
    codec = rows(("pence",))
    monkeypatch.setattr(codec, "encode", None)
    assert len(codec.encode_all(some)) == 3
