"""From values as their writer's schema has them to what a reader of ours takes: Avro's schema resolution.

A record is read by its writer's schema alone, and what differs here is then put right, as planned once for the two
schemas: fields renamed by an alias, numbers that became wider, text that became bytes, symbols that became the default
of their enum. A field that the writer did not know is left out: the reader's class has the default, as in code that
leaves it out. Source: Avro 1.12 specification, "Schema Resolution".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias
from uuid import UUID

from verbwire.contracts.schema.tree import (
    NO_DEFAULT,
    AvroArray,
    AvroEnum,
    AvroField,
    AvroFixed,
    AvroMap,
    AvroRecord,
    AvroType,
    AvroUnion,
    Logical,
    Primitive,
)
from verbwire.wire.avro.normal_form import Decimals, Nullable, as_double, as_float
from verbwire.wire.avro.strict_schemas import BOOLEANS

Resolve: TypeAlias = Callable[[Any], Any]

_LEAST, _MOST = -(2**31), 2**31 - 1
_PYTHON: dict[str, type] = {
    "null": type(None),
    "boolean": bool,
    **dict.fromkeys(("int", "long"), int),
    **dict.fromkeys(("float", "double"), float),
    **dict.fromkeys(("string", "enum"), str),
    **dict.fromkeys(("bytes", "fixed"), bytes),
    "array": list,
    **dict.fromkeys(("map", "record"), dict),
    "uuid": UUID,
    "decimal": Decimal,
    "date": date,
    **dict.fromkeys(("time-millis", "time-micros"), time),
    **dict.fromkeys(("timestamp-millis", "timestamp-micros"), datetime),
    **dict.fromkeys(("local-timestamp-millis", "local-timestamp-micros"), datetime),
}


class MismatchError(ValueError):
    """What was written with one schema cannot be read by the other."""


def resolution(writer: AvroType, reader: AvroType) -> Resolve | None:
    """Return what makes fields that were read by the `writer`'s schema those of the `reader`'s, None if they are.

    It may change the dicts and lists that it is given. :class:`MismatchError` where no value of the one schema is one
    of the other; where only some are not, it raises ValueError when it meets such a value.
    """
    return _Resolutions().of(writer, reader)


# -- values


def _all_int(values: Iterable[int]) -> None:
    for value in values:
        if not _LEAST <= value <= _MOST:
            raise ValueError(f"{value} has more than the 32 bits of an int")


def whole_int(value: int) -> int:
    """Return an int; ValueError where it has more than 32 bits."""
    _all_int((value,))
    return value


def _text(value: bytes) -> str:
    return value.decode()


PROMOTIONS: dict[tuple[str, str], Resolve | None] = {  # None: nothing is to be done
    ("int", "int"): whole_int,
    ("int", "long"): whole_int,
    ("int", "float"): lambda value: as_float(whole_int(value)),
    ("int", "double"): lambda value: float(whole_int(value)),
    ("long", "float"): as_float,
    ("long", "double"): as_double,
    ("float", "double"): None,
    ("string", "bytes"): str.encode,
    ("bytes", "string"): _text,
    ("string", "uuid"): UUID,
    ("uuid", "string"): str,
    ("time-millis", "time-micros"): None,
    ("timestamp-millis", "timestamp-micros"): None,
    ("local-timestamp-millis", "local-timestamp-micros"): None,
}


@dataclass(frozen=True, slots=True)
class _Symbols:
    """Symbols of an enum of which some are unknown here."""

    known: Mapping[str, str]

    def __call__(self, symbol: str) -> str:
        if symbol not in self.known:
            raise ValueError(f"{symbol} is no symbol of this enum here, and it has no default")
        return self.known[symbol]


@dataclass(frozen=True, slots=True)
class _Branches:
    """Branches of a union, by the types of their values."""

    of: Mapping[type, Resolve | None]

    def __call__(self, value: Any) -> Any:
        resolve = self.of[type(value)]
        return value if resolve is None else resolve(value)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A branch of a writer's union that the reader has not."""

    why: str

    def __call__(self, _value: Any) -> Any:
        raise ValueError(self.why)


@dataclass(frozen=True, slots=True)
class _Items:
    inner: Resolve

    def __call__(self, items: list[Any]) -> list[Any]:
        return [*map(self.inner, items)]


@dataclass(frozen=True, slots=True)
class _Ints:
    """An array of ints, or of records that need nothing but a look at these ints of theirs."""

    get: Callable[[Any], Any] | None = None
    several: bool = False

    def __call__(self, items: list[Any]) -> list[Any]:
        found: Iterable[Any] = items if self.get is None else map(self.get, items)
        _all_int(chain.from_iterable(found) if self.several else found)
        return items


@dataclass(frozen=True, slots=True)
class _Entries:
    inner: Resolve

    def __call__(self, entries: dict[str, Any]) -> dict[str, Any]:
        return {key: self.inner(value) for key, value in entries.items()}


def _record(
    ints: Sequence[str],
    booleans: Sequence[str],
    others: Sequence[tuple[str, Resolve]],
    renamed: Sequence[tuple[str, str]],
) -> Resolve:
    """A record, by the names that its writer gave its fields; `renamed` are all of them where any is called otherwise.

    Every event and row passes here: loops and a call that have nothing to do would be a tenth of what reading costs.
    """

    def look(fields: dict[str, Any]) -> dict[str, Any]:
        for name in ints:
            if not -2147483648 <= fields[name] <= 2147483647:
                raise ValueError(f"{name}: {fields[name]} has more than the 32 bits of an int")
        for name in booleans:
            fields[name] = BOOLEANS[fields[name]]
        return fields

    def resolve(fields: dict[str, Any]) -> dict[str, Any]:
        look(fields)
        for name, other in others:
            fields[name] = other(fields[name])
        return {ours: fields[theirs] for theirs, ours in renamed} if renamed else fields

    return resolve if others or renamed else look


# -- plans


class _Resolutions:
    """Remembers the pairs of types that were seen; a foreign schema may use one of them in very many places."""

    def __init__(self) -> None:
        self._known: dict[tuple[AvroType, AvroType], Resolve | None] = {}
        self._only_ints: dict[Resolve, tuple[str, ...]] = {}  # records that need nothing but a look at these

    def of(self, writer: AvroType, reader: AvroType) -> Resolve | None:
        """Return what to do with a value of the writer's type, None for nothing; MismatchError where it cannot be."""
        pair = (writer, reader)
        if pair not in self._known:
            self._known[pair] = self._find(writer, reader)
        return self._known[pair]

    def _find(self, writer: AvroType, reader: AvroType) -> Resolve | None:
        match writer, reader:
            case AvroUnion(branches), _:
                return self._union(branches, reader)
            case _, AvroUnion(branches):
                return self._into_union(writer, branches)
            case AvroRecord(), AvroRecord() if same_name(writer, reader):
                return self._record(writer, reader)
            case AvroEnum(), AvroEnum() if same_name(writer, reader):
                return _symbols(writer, reader)
            case AvroArray(theirs), AvroArray(ours):
                return self._items(self.of(theirs, ours))
            case AvroMap(theirs), AvroMap(ours):
                inner = self.of(theirs, ours)
                return None if inner is None else _Entries(inner)
            case _:
                return leaf_resolution(writer, reader)

    def _items(self, inner: Resolve | None) -> Resolve | None:
        if inner is whole_int:
            return _Ints()
        if inner in self._only_ints:
            ints = self._only_ints[inner]
            return _Ints(itemgetter(*ints), len(ints) > 1)
        return None if inner is None else _Items(inner)

    def _record(self, writer: AvroRecord, reader: AvroRecord) -> Resolve | None:
        known = pairs(writer, reader)
        plans = [(theirs.name, self._field(theirs, ours)) for theirs, ours in known]
        booleans = tuple(theirs.name for theirs, _ in known if theirs.type.kind == "boolean")
        ints = tuple(name for name, plan in plans if plan is whole_int)
        others = tuple((name, plan) for name, plan in plans if plan not in (None, whole_int))
        differs = any(theirs.name != ours.name for theirs, ours in known)
        renamed = tuple((theirs.name, ours.name) for theirs, ours in known) if differs else ()
        if not (ints or booleans or others or renamed):
            return None
        resolve = _record(ints, booleans, others, renamed)
        if ints and not (booleans or others or renamed):
            self._only_ints[resolve] = ints
        return resolve

    def _field(self, theirs: AvroField, ours: AvroField) -> Resolve | None:
        try:
            return self.of(theirs.type, ours.type)
        except MismatchError as error:
            raise MismatchError(f"{ours.name}: {error}") from None

    def _union(self, branches: Sequence[AvroType], reader: AvroType) -> Resolve | None:
        found: dict[type, Resolve | None] = {}
        for branch in branches:
            kind, resolve = _PYTHON[branch.kind], self._branch(branch, reader)
            if kind in found and (found[kind] is not None or resolve is not None):
                raise MismatchError("a union has branches whose values cannot be told apart")
            found[kind] = resolve
        if all(isinstance(each, _Refused) for each in found.values()):
            raise MismatchError(f"a union was written of which nothing fits where {_told(reader)} is read")
        others = [each for kind, each in found.items() if kind is not type(None)]
        if not any(found.values()):
            return None
        if len(others) == 1 and others[0] is not None and found.get(type(None), whole_int) is None:
            return Nullable(others[0])
        return _Branches(found)

    def _branch(self, branch: AvroType, reader: AvroType) -> Resolve | None:
        try:
            return self.of(branch, reader)
        except MismatchError as error:
            return _Refused(str(error))

    def _into_union(self, writer: AvroType, branches: Sequence[AvroType]) -> Resolve | None:
        for branch in preferred_branches(writer, branches):
            try:
                return self.of(writer, branch)
            except MismatchError:
                continue
        raise MismatchError(f"{_told(writer)} was written where the union that is read has no such branch")


def leaf_resolution(writer: AvroType, reader: AvroType) -> Resolve | None:
    """Return what to do with values that hold no others, None for nothing; MismatchError where that cannot be.

    Whatever else is not of one kind, or name, on both sides is refused here.
    """
    if (writer.kind, reader.kind) in PROMOTIONS:
        return PROMOTIONS[writer.kind, reader.kind]
    match writer, reader:
        case AvroFixed(), AvroFixed() if same_name(writer, reader):
            if writer.size != reader.size:
                raise MismatchError(f"{_told(writer)} has {writer.size} bytes where {reader.size} are read")
            return None
        case Logical(kind="decimal"), Logical(kind="decimal"):
            return _decimals(writer, reader)
        case ((Primitive() | Logical()), (Primitive() | Logical())) if writer.kind == reader.kind:
            return None
        case _:
            raise MismatchError(f"{_told(writer)} was written where {_told(reader)} is read")


def _decimals(writer: Logical, reader: Logical) -> Resolve | None:
    if writer.base.kind != reader.base.kind:
        raise MismatchError(f"a decimal in {writer.base.kind} was written where one in {reader.base.kind} is read")
    if (writer.precision, writer.scale) == (reader.precision, reader.scale):
        return None
    return Decimals(reader.precision, reader.scale)


def _told(node: AvroType) -> str:
    match node:
        case AvroRecord(name=name) | AvroEnum(name=name) | AvroFixed(name=name) | Logical(base=AvroFixed(name=name)):
            return f"{node.kind} {name}"
        case _:
            return f"a value of {node.kind}"


def same_name(writer: AvroRecord | AvroEnum | AvroFixed, reader: AvroRecord | AvroEnum | AvroFixed) -> bool:
    """Whether two named types may be one: namespaces aside, as fastavro and Java have it."""
    short = writer.name.rpartition(".")[2]
    return short == reader.name.rpartition(".")[2] or writer.name in reader.aliases


def _symbols(writer: AvroEnum, reader: AvroEnum) -> Resolve | None:
    return None if set(writer.symbols) <= set(reader.symbols) else _Symbols(symbols_known(writer, reader))


def symbols_known(writer: AvroEnum, reader: AvroEnum) -> dict[str, str]:
    """Return what a writer's symbols are to a reader; those that it does not know are left out."""
    known = {symbol: symbol for symbol in writer.symbols if symbol in reader.symbols}
    return known if reader.default is None else {**dict.fromkeys(writer.symbols, reader.default), **known}


def preferred_branches(writer: AvroType, branches: Sequence[AvroType]) -> list[AvroType]:
    """Return the branches of a reader's union in the order in which a writer's type is tried on them."""
    return sorted(branches, key=lambda each: each.kind != writer.kind)


def pairs(writer: AvroRecord, reader: AvroRecord) -> list[tuple[AvroField, AvroField]]:
    """Return the fields that both know, as each describes them; MismatchError for one that only the reader needs."""
    theirs = {field.name: field for field in writer.fields}
    found: list[tuple[AvroField, AvroField]] = []
    for ours in reader.fields:
        known = [name for name in (ours.name, *ours.aliases) if name in theirs]
        if known:
            found.append((theirs[known[0]], ours))
        elif ours.default is NO_DEFAULT:
            raise MismatchError(f"{ours.name} was not written, and has no default")
    return found
