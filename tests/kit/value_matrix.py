"""Types drawn at random, and values of them: as a handler gives them, and as they are to be read.

What is to be read is told by Python alone (integers, fractions, the calendar), not by the code that is tested.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]
Module = dict[str, Any]


class Refused(Exception):  # noqa: N818 (an answer)
    """No reader could read this value back."""


REFUSED: Any = object()
"""Stands for what is read where the value is to be refused."""


@dataclass(frozen=True)
class Leaf:
    """A type without parts: what a handler may give, what is read of it, and its defaults in JSON with their values."""

    avro: Any
    given: st.SearchStrategy[Any]
    read: Callable[[Any], Any]
    defaults: tuple[tuple[Any, Any], ...]
    wider: tuple[tuple[Any, Callable[[Any], Any]], ...] = ()


# -- the oracle

_DAY = 24 * 60 * 60 * 10**6  # microseconds
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_ENDS = st.sampled_from([datetime.min, datetime.max, datetime(1969, 12, 31, 23, 59, 59, 999_999), datetime(1970, 1, 1)])
_MOMENTS = st.datetimes() | _ENDS


def _of_day(clock: time | datetime) -> int:
    return ((clock.hour * 60 + clock.minute) * 60 + clock.second) * 10**6 + clock.microsecond


def _clock(microseconds: int) -> time:
    seconds, part = divmod(microseconds, 10**6)
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, part)


def moment(unit: int, zone: Any) -> Callable[[datetime], datetime]:
    def read(value: datetime) -> datetime:
        offset = value.utcoffset() or timedelta()
        all_of_it = value.toordinal() * _DAY + _of_day(value) - (offset.days * _DAY + offset.seconds * 10**6)
        day, rest = divmod(all_of_it // unit * unit, _DAY)
        if not 1 <= day <= date.max.toordinal():
            raise Refused
        return datetime.combine(date.fromordinal(day), _clock(rest), zone)

    return read


def time_of_day(unit: int) -> Callable[[time], time]:
    return lambda value: _clock(_of_day(value) // unit * unit)


def float32(value: float) -> float:
    short = ctypes.c_float(value).value
    if math.isinf(short) and not math.isinf(value):
        raise Refused
    return short


def double(value: float) -> float:
    if isinstance(value, int) and Fraction(float(value)) != value:
        raise Refused
    return float(value)


def decimal(precision: int, scale: int) -> Callable[[Decimal], Decimal]:
    def read(value: Decimal) -> Decimal:
        if not value.is_finite() or value.adjusted() > 100 or (value.adjusted() < -100 and value):
            raise Refused
        unscaled = Fraction(value) * 10**scale
        if unscaled.denominator != 1 or abs(unscaled) >= 10**precision:
            raise Refused
        sign, digits = ("-" if unscaled < 0 else ""), str(abs(int(unscaled))).rjust(scale + 1, "0")
        return Decimal(f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}")

    return read


def _as_it_is(value: Any) -> Any:
    return value


def _decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    unscaled = st.integers(-(10**precision) + 1, 10**precision - 1)
    good = unscaled.map(lambda each: Decimal((int(each < 0), tuple(map(int, str(abs(each)))), -scale)))
    whole = st.integers(-(10 ** (precision - scale)) + 1, 10 ** (precision - scale) - 1).map(Decimal)
    odd = [
        "-0",
        "1E+999999",
        "1E-999999",
        "1.000000000000000000000000000000",
        "NaN",
        "Infinity",
        "0E+5",
        "1E+17",
        "0.001",
    ]
    return good | good | whole | whole.map(Decimal.normalize) | st.sampled_from([*map(Decimal, odd)])


def _logical(base: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


def _fixed(size: int, **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": "?", "size": size, **more}


_EPOCH = datetime(1970, 1, 1)
_FLOATS = st.floats(allow_nan=False) | st.integers(-(2**55), 2**55)
LEAVES = (
    Leaf("boolean", st.booleans(), _as_it_is, ((True, True),)),
    Leaf(
        "int",
        st.integers(-(2**31), 2**31 - 1),
        _as_it_is,
        ((7, 7),),
        (("long", _as_it_is), ("float", float32), ("double", float)),
    ),
    Leaf("long", st.integers(-(2**63), 2**63 - 1), _as_it_is, ((2**40, 2**40),), (("double", double),)),
    Leaf(
        "float",
        _FLOATS,
        lambda value: float32(double(value)),
        ((0.1, float32(0.1)), (3, 3.0)),
        (("double", _as_it_is),),
    ),
    Leaf("double", _FLOATS, double, ((0.1, 0.1), (3, 3.0))),
    Leaf("bytes", st.binary(max_size=6) | st.binary(max_size=6).map(bytearray), bytes, (("\x00\xff", b"\x00\xff"),)),
    Leaf("string", _TEXT, _as_it_is, (("ä", "ä"),), (("bytes", str.encode),)),
    Leaf(_fixed(3), st.binary(min_size=3, max_size=3), _as_it_is, (("a\x80\xff", b"a\x80\xff"),)),
    Leaf(_logical("string", "uuid"), st.uuids(), _as_it_is, ()),
    Leaf(_logical("int", "date"), st.dates(), _as_it_is, ((-1, date(1969, 12, 31)),)),
    Leaf(_logical("int", "time-millis"), st.times(), time_of_day(1000), ((1, time(0, 0, 0, 1000)),)),
    Leaf(_logical("long", "time-micros"), st.times(), time_of_day(1), ((1, time(0, 0, 0, 1)),)),
    *(
        Leaf(
            _logical("long", f"timestamp-{name}"),
            st.builds(lambda each, zone: each.replace(tzinfo=zone), _MOMENTS, _ZONES | st.just(UTC)),
            moment(unit, UTC),
            ((-1, _EPOCH.replace(tzinfo=UTC) - timedelta(microseconds=unit)),),
        )
        for name, unit in (("millis", 1000), ("micros", 1))
    ),
    *(
        Leaf(
            _logical("long", f"local-timestamp-{name}"),
            _MOMENTS,
            moment(unit, None),
            ((-1, _EPOCH - timedelta(microseconds=unit)),),
        )
        for name, unit in (("millis", 1000), ("micros", 1))
    ),
    *(
        Leaf(
            {**base, "logicalType": "decimal", "precision": precision, "scale": scale},
            _decimals(precision, scale),
            decimal(precision, scale),
            ((default, decimal(precision, scale)(Decimal(unscaled).scaleb(-scale))),),
        )
        for base, precision, scale, default, unscaled in (
            ({"type": "bytes"}, 6, 2, "1", 49),
            ({"type": "bytes"}, 38, 10, "\xff", -1),
            (_fixed(4), 9, 9, "\x00\x00\x00\x05", 5),
            ({"type": "bytes"}, 4, 0, "\x00", 0),
        )
    ),
    Leaf(
        ["null", "boolean", "long", "string"],
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _TEXT,
        _as_it_is,
        ((None, None),),
    ),
    Leaf(
        ["null", "double", "bytes"],
        st.none() | _FLOATS | st.binary(max_size=3),
        lambda value: double(value) if isinstance(value, int | float) else value,
        ((None, None),),
    ),
)


# -- types with parts


@dataclass(frozen=True)
class Drawn:
    """A type, what draws a value of it (as given, as read), and its default (in JSON, as read), if it has one."""

    avro: Any
    value: Callable[[Module], tuple[Any, Any]]
    default: tuple[Any, Callable[[Module], Any]] | None
    wider: tuple[tuple[Any, Callable[[Any], Any]], ...] = ()


class Types:
    """Draws types of any depth; every name in a schema is used once."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self._names = itertools.count()

    def any(self, depth: int) -> Drawn:
        shapes: list[Callable[[int], Drawn]] = [self.leaf, self.leaf, self.leaf, self.enum]
        if depth:
            shapes += [self.nullable, self.array, self.map, self.record]
        shape: Callable[[int], Drawn] = self.draw(st.sampled_from(shapes))
        return shape(depth - 1)

    def leaf(self, _depth: int) -> Drawn:
        leaf: Leaf = self.draw(st.sampled_from(LEAVES))
        avro = (
            {**leaf.avro, "name": self._name("F")} if isinstance(leaf.avro, dict) and "name" in leaf.avro else leaf.avro
        )

        def value(_module: Module) -> tuple[Any, Any]:
            given = self.draw(leaf.given)
            try:
                return given, leaf.read(given)
            except Refused:
                return given, REFUSED

        if not leaf.defaults:
            return Drawn(avro, value, None, leaf.wider)
        written, read = self.draw(st.sampled_from(leaf.defaults))
        return Drawn(avro, value, (written, lambda _: read), leaf.wider)

    def enum(self, _depth: int) -> Drawn:
        name = self._name("E")

        def value(module: Module) -> tuple[Any, Any]:
            member = self.draw(st.sampled_from([*module[name]]))
            return (member.value if self.draw(st.booleans()) else member), member

        avro = {"type": "enum", "name": name, "symbols": ["ONE", "two"], "default": "ONE"}
        return Drawn(avro, value, ("two", lambda module: module[name]("two")))

    def nullable(self, depth: int) -> Drawn:
        inner = self.any(depth)
        if isinstance(inner.avro, list):
            return inner
        null_first = self.draw(st.booleans()) or inner.default is None

        def value(module: Module) -> tuple[Any, Any]:
            return (None, None) if self.draw(st.booleans()) else inner.value(module)

        avro = ["null", inner.avro] if null_first else [inner.avro, "null"]
        return Drawn(avro, value, (None, lambda _: None) if null_first else inner.default)

    def array(self, depth: int) -> Drawn:
        inner = self.any(depth)

        def value(module: Module) -> tuple[Any, Any]:
            pairs = [inner.value(module) for _ in range(self.draw(st.integers(0, 3)))]
            kind = self.draw(st.sampled_from((list, tuple)))
            return kind(given for given, _ in pairs), _whole([read for _, read in pairs], tuple)

        default: Any = ([], lambda _: ())
        if inner.default:
            written, read = inner.default
            default = ([written], lambda module: (read(module),))
        wider = tuple(
            ({"type": "array", "items": avro}, lambda values, widen=widen: tuple(map(widen, values)))
            for avro, widen in inner.wider
        )
        return Drawn({"type": "array", "items": inner.avro}, value, default, wider)

    def map(self, depth: int) -> Drawn:
        inner = self.any(depth)

        def value(module: Module) -> tuple[Any, Any]:
            pairs = {str(number): inner.value(module) for number in range(self.draw(st.integers(0, 3)))}
            reads = [read for _, read in pairs.values()]
            return {key: given for key, (given, _) in pairs.items()}, _whole(
                reads, lambda them: dict(zip(pairs, them, strict=True))
            )

        default: Any = ({}, lambda _: {})
        if inner.default:
            written, read = inner.default
            default = ({"k": written}, lambda module: {"k": read(module)})
        return Drawn({"type": "map", "values": inner.avro}, value, default)

    def record(self, depth: int) -> Drawn:
        name = self._name("R")
        parts = {f"f{number}": self.any(depth) for number in range(self.draw(st.integers(1, 3)))}

        def value(module: Module) -> tuple[Any, Any]:
            pairs = {field: part.value(module) for field, part in parts.items()}
            cls, reads = module[name], [read for _, read in pairs.values()]
            given = cls(**{field: given for field, (given, _) in pairs.items()})
            return given, _whole(reads, lambda them: cls(**dict(zip(pairs, them, strict=True))))

        defaults = {field: part.default for field, part in parts.items() if part.default}

        def default(module: Module) -> Any:
            return module[name](**{field: read(module) for field, (_, read) in defaults.items()})

        fields = [{"name": field, "type": part.avro} for field, part in parts.items()]
        written = {field: each for field, (each, _) in defaults.items()}
        avro = {"type": "record", "name": name, "fields": fields}
        return Drawn(avro, value, (written, default) if len(defaults) == len(parts) else None)

    def _name(self, letter: str) -> str:
        return f"{letter}{next(self._names)}"


def _whole(reads: list[Any], build: Callable[[list[Any]], Any]) -> Any:
    """What is read of parts, refused where one of them is."""
    return REFUSED if any(read is REFUSED for read in reads) else build(reads)
