"""The normal form of values: what a message is once it was written and read back.

A timestamp has UTC and the unit of its type, a float 32 bits, a decimal the scale of its type; arrays are tuples, maps
cannot be changed, enums are members. What cannot be brought into it without losing digits, a sign of infinity or the
years that Python knows is refused with :class:`ValueError`, which names the field. A value that is normal already is
returned as it is, the same object; where a type has no other forms there is nothing to call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from functools import partial
from operator import is_
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from verbwire.contracts.schema.defaults import number
from verbwire.contracts.schema.tree import (
    AvroArray,
    AvroEnum,
    AvroFixed,
    AvroMap,
    AvroRecord,
    AvroType,
    AvroUnion,
    Logical,
    Primitive,
)
from verbwire.wire.avro.frozen_map import FrozenMap

Normal: TypeAlias = Callable[[Any], Any]
"""Returns a value in its normal form; ValueError where it has none."""


class UntidyError(ValueError):
    """A value stands for another in a way that only its class can tell: text for a member of an enum, for one."""


def written(tree: AvroType) -> Normal | None:
    """Return what makes a record of a schema exactly writable, None where every record is.

    It is all that changes, or refuses, what is written: tuples and lists are written alike, and left alone.
    """
    plan = _Plans(values=True, records=True).plan(tree)
    return None if plan is _plain_record else plan


def kept(tree: AvroType) -> Normal | None:
    """Return what makes a record of a schema what a reader of it would return, None where every record is that.

    :class:`UntidyError` where that takes a reader.
    """
    return _Plans(values=True, shapes=True, maps=True).plan(tree)


def frozen(tree: AvroType) -> Normal | None:
    """Return what makes the maps of a record unchangeable that is normal otherwise, None where it has no maps."""
    return _Plans(maps=True).plan(tree)


# -- values


def as_double(value: Any) -> Any:
    """Return a number as a double; ValueError where it has more digits. What is no number is left as it is."""
    if type(value) is float or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if isinstance(value, int) and found != value:
        raise ValueError(f"{str(value)[:60]} has more digits than a double")
    return found


def float32(value: float) -> float:
    """Return a number as 32 bits hold it; ValueError where it is larger than they can. Infinity and NaN stay."""
    try:
        return number(value, "float")
    except OverflowError:
        raise ValueError(f"{value} is too large for a float") from None


def as_float(value: Any) -> Any:
    """Return a number cut to 32 bits; ValueError where it is larger than they can hold."""
    exact = as_double(value)
    if type(exact) is not float:
        return value
    short = float32(exact)
    return value if (short == value and type(value) is float) or math.isnan(exact) else short


def _bytes(value: Any) -> Any:
    return bytes(value) if type(value) is not bytes and isinstance(value, bytes | bytearray) else value


def _uuid(value: Any) -> Any:
    if not isinstance(value, UUID):
        raise ValueError(f"expected a UUID, got {type(value).__name__}")
    return value


def _enum(value: Any) -> Any:
    if type(value) is str:
        raise UntidyError("text where a member of an enum belongs")
    return value


def _date(value: Any) -> Any:
    if type(value) is date:
        return value
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"expected a date, got {type(value).__name__}")
    return date(value.year, value.month, value.day)


def _time(unit: int, value: Any) -> Any:
    if type(value) is time and not value.microsecond % unit and value.tzinfo is None and not value.fold:
        return value
    if not isinstance(value, time) or value.tzinfo is not None:
        raise ValueError("expected a time of day without a zone")
    return time(value.hour, value.minute, value.second, value.microsecond // unit * unit)


def _timestamp(unit: int, value: Any) -> Any:
    if type(value) is datetime and value.tzinfo is UTC and not value.microsecond % unit and not value.fold:
        return value
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError("expected a datetime with a time zone")
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value} is outside the years 1 to 9999 in UTC") from None
    return _cut(moment, unit, UTC)


def _local_timestamp(unit: int, value: Any) -> Any:
    if type(value) is datetime and value.tzinfo is None and not value.microsecond % unit and not value.fold:
        return value
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise ValueError("expected a datetime without a time zone")
    return _cut(value, unit, None)


def _cut(moment: datetime, unit: int, zone: Any) -> datetime:
    clock = (moment.hour, moment.minute, moment.second, moment.microsecond // unit * unit)
    return datetime(moment.year, moment.month, moment.day, *clock, zone)


class Decimals:
    """Brings decimals to one precision and scale."""

    def __init__(self, precision: int, scale: int) -> None:
        self._precision, self._scale = precision, scale
        self._unit = Decimal((0, (1,), -scale))
        self._whole = precision - scale  # digits before the point
        self._context = Context(prec=precision, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])

    def __call__(self, value: Any) -> Any:  # noqa: D102 (see Normal)
        if type(value) is not Decimal:
            raise ValueError(f"expected a Decimal, got {type(value).__name__}")
        if value.same_quantum(self._unit) and value.adjusted() < self._whole and (value or not value.is_signed()):
            return value
        if not value.is_finite():
            raise ValueError(f"{value} is no number of digits")
        try:
            scaled = value.quantize(self._unit, context=self._context)
        except (Inexact, InvalidOperation):
            has = f"{self._precision} digits, {self._scale} of them after the point"
            raise ValueError(f"{str(value)[:60]} does not fit into a decimal of {has}") from None
        return scaled if scaled else abs(scaled)  # Avro has no negative zero


_LEAVES: dict[str, Normal] = {"float": as_float, "double": as_double}
_LOGICAL: dict[str, Normal] = {
    "uuid": _uuid,
    "date": _date,
    "time-millis": partial(_time, 1000),
    "time-micros": partial(_time, 1),
    "timestamp-millis": partial(_timestamp, 1000),
    "timestamp-micros": partial(_timestamp, 1),
    "local-timestamp-millis": partial(_local_timestamp, 1000),
    "local-timestamp-micros": partial(_local_timestamp, 1),
}


# -- what holds values


@dataclass(frozen=True, slots=True)
class Nullable:
    """What to do with a value that may be null."""

    inner: Normal

    def __call__(self, value: Any) -> Any:  # noqa: D102 (see Normal)
        return None if value is None else self.inner(value)


@dataclass(frozen=True, slots=True)
class _Union:
    """A union of primitive types; `normals` are by the types of values that may have another form."""

    normals: Mapping[type, Normal]

    def __call__(self, value: Any) -> Any:
        normal = self.normals.get(type(value))
        return value if normal is None else normal(value)


@dataclass(frozen=True, slots=True)
class _Array:
    inner: Normal | None
    tuples: bool

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, tuple | list):
            raise ValueError(f"expected a tuple, got {type(value).__name__}")
        if self.inner is not None:
            items = [*map(self.inner, value)]
            if not all(map(is_, items, value)):
                return tuple(items)
        return value if type(value) is tuple or not self.tuples else tuple(value)


@dataclass(frozen=True, slots=True)
class _Map:
    inner: Normal | None
    freeze: bool

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"expected a map, got {type(value).__name__}")
        if self.inner is not None:
            entries = {key: self.inner(each) for key, each in value.items()}
            if not all(map(is_, entries.values(), value.values())):
                return FrozenMap(entries)
        return value if type(value) is FrozenMap or not self.freeze else FrozenMap(value)


@dataclass(frozen=True, slots=True)
class _Record:
    normals: tuple[tuple[str, Normal], ...]

    def __call__(self, value: Any) -> Any:
        changes = None
        try:
            for name, normal in self.normals:
                before = getattr(value, name)
                after = normal(before)
                if after is not before:
                    changes = {**(changes or {}), name: after}
        except AttributeError:
            raise ValueError(f"expected a record, got {type(value).__name__}") from None
        except UntidyError:
            raise
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return value if changes is None else msgspec.structs.replace(value, **changes)


def _plain_record(value: Any) -> Any:
    """A record whose fields have one form each: only that it is one can be wrong."""
    if isinstance(value, msgspec.Struct):
        return value
    raise ValueError(f"expected a record, got {type(value).__name__}")


def _plain_records(value: Any) -> Any:
    """An array of such, which is looked at by types: it may be long."""
    for kind in set(map(type, value)):
        if not issubclass(kind, msgspec.Struct):
            raise ValueError(f"expected records, one of them is {kind.__name__}")
    return value


class _Plans:
    """Plans for the types of one schema, named ones remembered.

    They look at `values` that would be written as others, at `shapes` (tuples, members of enums), at `maps`, and
    whether `records` are none.
    """

    def __init__(
        self, *, values: bool = False, shapes: bool = False, maps: bool = False, records: bool = False
    ) -> None:
        self._values, self._shapes, self._maps, self._records = values, shapes, maps, records
        self._known: dict[AvroType, Normal | None] = {}

    def plan(self, node: AvroType) -> Normal | None:
        """Return what to do with a value of the type, None where it has one form only."""
        if node not in self._known:
            self._known[node] = self._make(node)
        return self._known[node]

    def _make(self, node: AvroType) -> Normal | None:
        match node:
            case AvroUnion():
                return self._union(node)
            case Logical():
                return _logical(node) if self._values else None
            case AvroRecord():
                return self._record(node)
            case AvroArray(items):
                inner = self.plan(items)
                if inner is _plain_record:
                    return _plain_records
                return _Array(inner, self._shapes) if inner or self._shapes else None
            case AvroMap(values):
                inner = self.plan(values)
                return _Map(inner, self._maps) if inner or self._maps else None
            case AvroEnum():
                return _enum if self._shapes else None
            case AvroFixed() | Primitive("bytes"):
                return _bytes if self._shapes else None
            case Primitive(kind):
                return _LEAVES.get(kind) if self._values else None

    def _union(self, union: AvroUnion) -> Normal | None:
        plans = [(branch, self.plan(branch)) for branch in union.others]
        if len(plans) == 1:
            inner = plans[0][1]
            return None if inner is None else Nullable(inner)
        normals: dict[type, Normal] = {}
        for branch, normal in plans:
            if normal is not None:
                normals |= dict.fromkeys((bytearray,) if branch.kind == "bytes" else (int, float), normal)
        return _Union(normals) if normals else None

    def _record(self, node: AvroRecord) -> Normal | None:
        plans = [(field.name, self.plan(field.type)) for field in node.fields]
        normals = tuple((name, plan) for name, plan in plans if plan is not None)
        if normals:
            return _Record(normals)
        return _plain_record if self._records else None


def _logical(node: Logical) -> Normal:
    return Decimals(node.precision, node.scale) if node.kind == "decimal" else _LOGICAL[node.kind]
