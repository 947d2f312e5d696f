"""The normal form: an encoder says what will be read back, and refuses what would not be."""

from __future__ import annotations

import copy
import json
import pickle
import struct
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal, getcontext
from typing import Any

import msgspec
import pytest

from tests.kit.notes import CATALOG, COMMAND, EVENT
from tests.kit.samples.office.notes import Colour, Mark, NoteTaken
from verbwire.errors import UnencodableError
from verbwire.wire.avro.frozen_map import FrozenMap
from verbwire.wire.avro.messages import Encoder, Reader

TAKEN = CATALOG.of(EVENT)
encode = Encoder(TAKEN, 1)
read = Reader(TAKEN, NoteTaken, TAKEN.schema)
EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-5))
TENTH = struct.unpack("<f", struct.pack("<f", 0.1))[0]


def taken(**fields: Any) -> NoteTaken:
    return msgspec.structs.replace(EVENT, **fields)


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("taken_at", datetime(2020, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC), datetime(2020, 1, 1, 0, 0, 0, 999_000, UTC)),
        ("taken_at", datetime(1969, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC), datetime(1969, 1, 1, 0, 0, 0, 999_000, UTC)),
        ("filed_at", datetime(2020, 1, 1, 1, tzinfo=EAST), datetime(2019, 12, 31, 11, tzinfo=UTC)),
        ("desk_time", datetime(2020, 10, 25, 2, 30, fold=1), datetime(2020, 10, 25, 2, 30)),
        ("at_time", time(2, 30, fold=1), time(2, 30)),
        ("price", Decimal("1.5"), Decimal("1.50")),
        ("price", Decimal("1.5000"), Decimal("1.50")),
        ("price", Decimal("1E+3"), Decimal("1000.00")),
        ("price", Decimal("-0.00"), Decimal("0.00")),
        ("share", 0.1, TENTH),
        ("share", 1, 1.0),
        ("share", float("inf"), float("inf")),
        ("weight", 1, 1.0),
        ("weight", -0.0, -0.0),
        ("links", ["a"], ("a",)),
        ("colour", "WHITE", Colour.WHITE),
        ("picture", bytearray(b"x"), b"x"),
        ("tags", {"a": 1}, FrozenMap(a=1)),
        ("marks", [Mark(at=1, colour=Colour.WHITE)], (Mark(at=1, colour=Colour.WHITE),)),
    ],
)
def test_the_normal_form_is_what_is_read_back(field: str, given: Any, kept: Any) -> None:
    event = taken(**{field: given})
    found = getattr(encode.normal(event), field)
    assert (repr(found), type(found)) == (repr(kept), type(kept))
    assert repr(encode.normal(event)) == repr(read(encode(event)))


def test_the_normal_form_of_a_normal_value_is_the_same_object() -> None:
    event = read(encode(EVENT))
    assert encode.normal(event) is event
    assert Encoder(CATALOG.of(COMMAND), 1).normal(COMMAND) is COMMAND


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", Decimal("1E+17")),
        ("price", Decimal("1E+999999")),
        ("price", Decimal("1E-999999")),
        ("price", Decimal("Infinity")),
        ("price", Decimal("sNaN")),
        ("price", 5),
        ("price", "1.50"),
        ("taken_at", datetime(9999, 12, 31, 23, 59, 59, tzinfo=WEST)),
        ("filed_at", datetime(1, 1, 1, tzinfo=EAST)),
        ("desk_time", datetime(2020, 1, 1, tzinfo=UTC)),
        ("due", datetime(2020, 1, 1)),
        ("due", "2020-01-01"),
        ("folder", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("share", 1e39),
        ("share", 10**400),
        ("weight", 2**53 + 1),
        ("marks", ({"at": 1, "colour": "WHITE", "says": None},)),
    ],
)
def test_a_value_that_would_be_read_as_another_is_refused(field: str, value: Any) -> None:
    for write in (encode, encode.normal):
        with pytest.raises(UnencodableError, match=field):
            write(taken(**{field: value}))


def test_the_decimal_context_of_a_thread_decides_nothing() -> None:
    getcontext().prec = 3
    try:
        assert encode.normal(taken(price=Decimal("12345.6"))).price == Decimal("12345.60")
    finally:
        getcontext().prec = 28


CHANGES: list[Callable[[Any], object]] = [
    lambda tags: tags.update(bad=1),
    lambda tags: tags.__setitem__("bad", 1),
    lambda tags: tags.pop("a"),
    lambda tags: tags.popitem(),
    lambda tags: tags.clear(),
    lambda tags: tags.setdefault("bad", 1),
    lambda tags: tags.__delitem__("a"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_map_that_was_read_or_is_kept_cannot_be_changed(change: Callable[[Any], object]) -> None:
    event = taken(tags={"a": 1})
    for tags in (read(encode(event)).tags, encode.normal(event).tags):  # type: ignore[attr-defined]  # a NoteTaken
        with pytest.raises(TypeError, match="build another"):
            change(tags)
        assert tags == {"a": 1}


def test_a_map_is_used_like_any_dict() -> None:
    tags = FrozenMap(a=1)
    more: Any = tags
    more |= {"b": 2}
    assert more == {"a": 1, "b": 2} == {**tags, "b": 2}
    assert tags == {"a": 1} == dict(tags)
    for same in (copy.copy(tags), copy.deepcopy(tags), pickle.loads(pickle.dumps(tags))):  # noqa: S301 (our own)
        assert (same, type(same)) == (tags, FrozenMap)
    assert msgspec.json.encode(tags) == b'{"a":1}' == json.dumps(tags).replace(" ", "").encode()
    assert msgspec.convert(tags, dict[str, int]) == tags
