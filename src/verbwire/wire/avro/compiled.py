"""Plans by which the compiled codec reads and writes; without it, and for what it does not take, there is none.

``verbwire.wire.avro._compiled`` is an optional extension, built where a C compiler is. What it reads and writes are the
values that are beyond doubt; :mod:`verbwire.wire.avro.messages` hands all others to fastavro and the checks around it,
which are the reference for both.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import inspect

from verbwire.contracts.schema.tree import (
    NULL,
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
from verbwire.extensions import require_names
from verbwire.messages import Message
from verbwire.wire.avro.framing import HEADER_SIZE
from verbwire.wire.avro.normal_form import Decimals
from verbwire.wire.avro.resolution import (
    MismatchError,
    leaf_resolution,
    pairs,
    preferred_branches,
    same_name,
    symbols_known,
    whole_int,
)
from verbwire.wire.avro.strict_schemas import decimal_reader

if TYPE_CHECKING:
    from verbwire.wire.avro import _compiled
elif sys.byteorder == "little" and os.environ.get("VERBWIRE_CODEC") != "fastavro":
    try:
        from verbwire.wire.avro import _compiled
    except ImportError:
        _compiled = None
else:
    _compiled = None

NEEDED = (
    *("Array", "Boolean", "Bytes", "Date", "DecimalNumber", "Double", "Enum", "Fields", "Fixed", "Float", "Int"),
    *("Long", "Map", "Null", "Nullable", "Reading.showing", "Record", "Resolved", "String", "Time", "Timestamp"),
    *("Union", "Uuid", "Writing.all", "Writing.tidy", "read_all"),
)
"""What the code uses of the compiled codec."""
require_names(_compiled, NEEDED)
AVAILABLE: bool = _compiled is not None
"""Whether the compiled codec works here; ``VERBWIRE_CODEC=fastavro`` in the environment leaves it out."""

T = TypeVar("T")

_MOST_LEVELS = 40  # of types in each other: safety.MAX_DEPTH, and one's own contracts
_LEAST = {"null": 0, "boolean": 1, "float": 4, "double": 8}

_LEAVES: Mapping[str, Callable[[], Any]] = (
    {
        "null": _compiled.Null,
        "boolean": _compiled.Boolean,
        "int": _compiled.Int,
        "long": _compiled.Long,
        "float": _compiled.Float,
        "double": _compiled.Double,
        "bytes": _compiled.Bytes,
        "string": _compiled.String,
        "uuid": _compiled.Uuid,
        "date": _compiled.Date,
        "time-millis": partial(_compiled.Time, 1000),
        "time-micros": partial(_compiled.Time, 1),
        "timestamp-millis": partial(_compiled.Timestamp, 1000, False),
        "timestamp-micros": partial(_compiled.Timestamp, 1, False),
        "local-timestamp-millis": partial(_compiled.Timestamp, 1000, True),
        "local-timestamp-micros": partial(_compiled.Timestamp, 1, True),
    }
    if AVAILABLE
    else {}
)
"""What makes the node of a type that holds no others."""


class _NoPlanError(Exception):
    """The reference alone takes such a type."""


def reading(writer: AvroType, reader: AvroType, cls: type[Message]) -> _compiled.Reading | None:
    """Return what reads records of the `writer`'s schema into a class of the `reader`'s; None where nothing does.

    The two can be resolved (:func:`~verbwire.wire.avro.resolution.resolution` has not refused them). It raises one of
    :data:`~verbwire.wire.avro.messages.MISFITS` for a record that is not beyond doubt.
    """
    node = _root(writer, reader, cls)
    return None if node is None else _compiled.Reading(node, HEADER_SIZE)


def reading_fields(
    writer: AvroType, reader: AvroType, cls: type[Message], names: Sequence[str]
) -> Callable[[bytes], list[Any]] | None:
    """Return what reads the values that some fields of those messages have, in this order, and refuses as much.

    None also where the writer does not have all of the fields.
    """
    node = _root(writer, reader, cls)
    try:
        return None if node is None else _compiled.Fields(node, tuple(names), HEADER_SIZE)
    except (TypeError, ValueError):
        return None


def _root(writer: AvroType, reader: AvroType, cls: type[Message]) -> Any:
    if not AVAILABLE:
        return None
    try:
        return _Reading().of(writer, reader, inspect.type_info(cls), 0)
    except (_NoPlanError, MismatchError, RecursionError):
        return None


def writing(tree: AvroType, frame: bytes) -> _compiled.Writing | None:
    """Return what writes the messages of a schema behind a frame; None where nothing does.

    It raises one of :data:`~verbwire.wire.avro.messages.MISFITS` for a message that is not beyond doubt.
    """
    if not AVAILABLE:
        return None
    try:
        return _compiled.Writing(_Types().node(tree, 0, _written), frame)
    except (_NoPlanError, RecursionError):
        return None


def read_all(
    plans: dict[bytes, Callable[[bytes], Message] | None],
    values: Sequence[bytes | None],
    otherwise: Callable[[bytes | None], T],
) -> list[Message | T | None]:
    """Read records by the plans of their frames; `otherwise` has the say about each that is not beyond doubt.

    None stands for those whose frame has None, which is for a type that nobody here asks for.
    """
    if not AVAILABLE:
        return [otherwise(value) for value in values]
    found: list[Message | T | None] = _compiled.read_all(plans, values, otherwise)
    return found


def _leaf(node: AvroType) -> Any:
    """The node of a type that holds no others and is no enum: the same for reading and writing."""
    match node:
        case AvroFixed(size=size):
            return _compiled.Fixed(size)
        case Logical(kind="decimal"):
            return _decimal(node)
        case Primitive(kind) | Logical(kind):
            return _LEAVES[kind]()
        case _:
            raise _NoPlanError


def _decimal(node: Logical) -> Any:
    precision, scale = node.precision, node.scale
    context = Context(prec=precision, Emin=MIN_EMIN, Emax=MAX_EMAX)
    size = node.base.size if isinstance(node.base, AvroFixed) else None
    return _compiled.DecimalNumber(size, decimal_reader(precision, scale), Decimals(precision, scale), context, scale)


class _Types:
    """What is known of the types of one schema: each once, few may stand in millions of places."""

    def __init__(self) -> None:
        self._least: dict[AvroType, int] = {}
        self._maps: dict[AvroType, bool] = {}
        self._made: dict[AvroType, Any] = {}

    def array(self, node: AvroArray, inner: Any) -> Any:
        """Return the node of an array; `inner` is that of its items."""
        return _compiled.Array(inner, _some_bytes(self.least(node.items)))

    def map(self, node: AvroMap, inner: Any) -> Any:
        """Return the node of a map; `inner` is that of its values, each of which has a key."""
        return _compiled.Map(inner, _some_bytes(self.least(node.values) + 1))

    def least(self, node: AvroType) -> int:
        """Return how many bytes a value takes at least."""
        if node not in self._least:
            self._least[node] = self._find_least(node)
        return self._least[node]

    def _find_least(self, node: AvroType) -> int:
        match node:
            case AvroRecord(fields=fields):
                return sum(self.least(field.type) for field in fields)
            case AvroFixed(size=size) | Logical(base=AvroFixed(size=size)):
                return size
            case _:
                return _LEAST.get(node.kind, 1)

    def holds_map(self, node: AvroType) -> bool:
        """Whether there is a map in a value."""
        if node not in self._maps:
            self._maps[node] = self._find_map(node)
        return self._maps[node]

    def _find_map(self, node: AvroType) -> bool:
        match node:
            case AvroMap():
                return True
            case AvroUnion(branches):
                return any(map(self.holds_map, branches))
            case AvroArray(items):
                return self.holds_map(items)
            case AvroRecord(fields=fields):
                return any(self.holds_map(field.type) for field in fields)
            case _:
                return False

    def node(self, node: AvroType, level: int, record: Callable[[AvroRecord, tuple[Any, ...]], Any]) -> Any:
        """Return what writes values of a type, or reads and forgets them; `record` makes the nodes of records."""
        if node not in self._made:
            self._made[node] = self._make(node, _level(level), record)
        return self._made[node]

    def _make(self, node: AvroType, level: int, record: Callable[[AvroRecord, tuple[Any, ...]], Any]) -> Any:
        match node:
            case AvroUnion(branches):
                return _union(branches, tuple(self.node(branch, level, record) for branch in branches))
            case AvroRecord(fields=fields):
                return record(node, tuple(self.node(field.type, level, record) for field in fields))
            case AvroArray(items):
                return self.array(node, self.node(items, level, record))
            case AvroMap(values):
                return self.map(node, self.node(values, level, record))
            case AvroEnum(symbols=symbols):
                return _compiled.Enum(symbols, {symbol: place for place, symbol in enumerate(symbols)})
            case _:
                return _leaf(node)


def _some_bytes(least: int) -> int:
    if not least:
        raise _NoPlanError  # a few bytes could claim millions of items
    return least


def _level(level: int) -> int:
    if level > _MOST_LEVELS:
        raise _NoPlanError
    return level + 1


_CLASSES: dict[str, type] = {
    "null": type(None),
    "boolean": bool,
    **dict.fromkeys(("int", "long"), int),
    **dict.fromkeys(("float", "double"), float),
    "string": str,
    "bytes": bytes,
}


def _union(branches: Sequence[AvroType], nodes: tuple[Any, ...]) -> Any:
    """A union; what is written is told apart by its class, where each branch has one of its own."""
    if len(branches) == 2 and NULL in branches and None not in nodes:
        null = branches.index(NULL)
        return _compiled.Nullable(nodes[1 - null], null)
    places = {_CLASSES.get(branch.kind): place for place, branch in enumerate(branches)}
    alike = None in places or len(places) < len(branches) or {int, float} <= places.keys()
    return _compiled.Union(nodes, {} if alike or {str, bytes} <= places.keys() else places)


def _written(node: AvroRecord, nodes: tuple[Any, ...]) -> Any:
    return _compiled.Record(None, tuple(field.name for field in node.fields), nodes)


def _forgotten(_node: AvroRecord, nodes: tuple[Any, ...]) -> Any:
    return _compiled.Record(_nothing, (None,) * len(nodes), nodes)


def _nothing() -> None:
    """What a record becomes whose value is not used."""


# -- reading

_READ_INTO: dict[str, tuple[type, ...]] = {
    "null": (inspect.NoneType,),
    "boolean": (inspect.BoolType,),
    **dict.fromkeys(("int", "long"), (inspect.IntType,)),
    **dict.fromkeys(("float", "double"), (inspect.FloatType,)),
    **dict.fromkeys(("bytes", "fixed"), (inspect.BytesType,)),
    "string": (inspect.StrType,),
    "enum": (inspect.EnumType, inspect.LiteralType),
    "uuid": (inspect.UUIDType,),
    "decimal": (inspect.DecimalType,),
    "date": (inspect.DateType,),
    **dict.fromkeys(("time-millis", "time-micros"), (inspect.TimeType,)),
    **dict.fromkeys(("timestamp-millis", "timestamp-micros"), (inspect.DateTimeType,)),
    **dict.fromkeys(("local-timestamp-millis", "local-timestamp-micros"), (inspect.DateTimeType,)),
    "array": (inspect.VarTupleType,),
    "map": (inspect.DictType,),
    "record": (inspect.StructType,),
}


def _into(info: Any, kind: str) -> Any:
    """Of what a class has for a field, what values of one Avro type become."""
    found = info.types if isinstance(info, inspect.UnionType) else (info,)
    fitting = [each for each in found if isinstance(each, _READ_INTO[kind])]
    if len(fitting) != 1:
        raise _NoPlanError
    return fitting[0]


class _Reading:
    """Plans what is read, as :mod:`verbwire.wire.avro.resolution` does; remembers what it planned of two types."""

    def __init__(self) -> None:
        self._known: dict[tuple[AvroType, AvroType, int], Any] = {}
        self._types = _Types()

    def of(self, writer: AvroType, reader: AvroType, info: Any, level: int) -> Any:
        """Return the node for a writer's type and what it becomes; MismatchError where it cannot become that."""
        place = (writer, reader, id(info))
        if place not in self._known:
            self._known[place] = self._find(writer, reader, info, _level(level))
        return self._known[place]

    def _find(self, writer: AvroType, reader: AvroType, info: Any, level: int) -> Any:
        match writer, reader:
            case AvroUnion(branches), _:
                return _union(branches, tuple(self._branch(branch, reader, info, level) for branch in branches))
            case _, AvroUnion(branches):
                return self._into_union(writer, branches, info, level)
        info = _into(info, reader.kind)
        match writer, reader:
            case AvroRecord(), AvroRecord() if same_name(writer, reader):
                return self._record(writer, reader, info, level)
            case AvroEnum(), AvroEnum() if same_name(writer, reader):
                return _compiled.Enum(_members(writer, reader, info), {})
            case AvroArray(theirs), AvroArray(ours):
                return self._types.array(writer, self.of(theirs, ours, info.item_type, level))
            case AvroMap(theirs), AvroMap(ours):
                return self._types.map(writer, self.of(theirs, ours, info.value_type, level))
            case _:
                return _resolved(writer, leaf_resolution(writer, reader))

    def _branch(self, branch: AvroType, reader: AvroType, info: Any, level: int) -> Any:
        try:
            return self.of(branch, reader, info, level)
        except MismatchError:
            return None

    def _into_union(self, writer: AvroType, branches: Sequence[AvroType], info: Any, level: int) -> Any:
        for branch in preferred_branches(writer, branches):
            try:
                return self.of(writer, branch, info, level)
            except MismatchError:
                continue
        raise MismatchError

    def _record(self, writer: AvroRecord, reader: AvroRecord, info: Any, level: int) -> Any:
        known = {theirs.name: ours for theirs, ours in pairs(writer, reader)}
        read = {ours.name for ours in known.values()}
        if any(self._types.holds_map(field.type) for field in reader.fields if field.name not in read):
            raise _NoPlanError  # the class would give a map that can be changed
        types = {field.name: field.type for field in info.fields}
        names = tuple(known[each.name].name if each.name in known else None for each in writer.fields)
        if not read <= types.keys():
            raise _NoPlanError
        nodes = tuple(self._field(each, known.get(each.name), types, level) for each in writer.fields)
        return _compiled.Record(info.cls, names, nodes)

    def _field(self, theirs: AvroField, ours: AvroField | None, types: Mapping[str, Any], level: int) -> Any:
        if ours is None:
            return self._types.node(theirs.type, level, _forgotten)
        return self.of(theirs.type, ours.type, types[ours.name], level)


def _resolved(writer: AvroType, resolve: Callable[[Any], Any] | None) -> Any:
    node = _leaf(writer)
    return node if resolve is None or resolve is whole_int else _compiled.Resolved(node, resolve)


def _members(writer: AvroEnum, reader: AvroEnum, info: Any) -> tuple[Any, ...]:
    member = info.cls if isinstance(info, inspect.EnumType) else str
    known = symbols_known(writer, reader)
    return tuple(member(known[symbol]) if symbol in known else None for symbol in writer.symbols)


def told() -> str:
    """Return what writes and reads messages here, and where it is the slower one what would help, for people."""
    if AVAILABLE:
        return "Avro is written and read by the compiled codec."
    if os.environ.get("VERBWIRE_CODEC") == "fastavro":
        return "Avro is written and read by fastavro: VERBWIRE_CODEC says so."
    return (
        "Avro is written and read by fastavro, which is several times slower than the compiled codec: that is built "
        "where verbwire is installed and a C compiler with Python's headers is (Debian: apt install gcc python3-dev)."
    )


if __name__ == "__main__":
    print(told())
