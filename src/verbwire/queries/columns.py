"""The columns that a table keeps beside its rows, for queries to filter and sort on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

from verbwire.contracts.schema.model import Contract
from verbwire.contracts.schema.tree import NULL, AvroEnum, AvroFixed, AvroType, AvroUnion, Logical, Primitive
from verbwire.errors import ContractError
from verbwire.messages import Message
from verbwire.queries.selection import Value
from verbwire.wire.avro.normal_form import Normal, written

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WIDE = 18  # digits of a decimal that fit into 64 bits
_shifted = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX).scaleb  # the thread's own rounds to 28 digits
NAN = "NaN"
"""What a column of floats holds where a row has NaN."""
_PRIMITIVES = {name: name for name in ("string", "boolean", "bytes")}
_PRIMITIVES |= dict.fromkeys(("int", "long"), "integer") | dict.fromkeys(("float", "double"), "number")
_LOGICAL = {
    "uuid": "uuid",
    "date": "date",
    "time-millis": "time",
    "time-micros": "time",
    "timestamp-millis": "timestamp",
    "timestamp-micros": "timestamp",
    "local-timestamp-millis": "local timestamp",
    "local-timestamp-micros": "local timestamp",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One field as a column. `sort` is its kind of type: values of one kind may be compared with each other."""

    name: str
    sort: str
    write: Callable[[Any], Value] | None = None  # what makes a column's value of the field's; None: it is one
    written: Normal | None = None  # what the field keeps of a value; None: all of it

    def value(self, value: Any) -> Value:
        """Return a value to compare rows with, as the column would hold it: what the field keeps of it.

        A value that the field cannot hold, like a number of more digits, is compared as it is.
        """
        try:
            return self.exact(value)
        except ValueError:
            return value if self.write is None else self.write(value)

    def exact(self, value: Any) -> Value:
        """Return the same; ValueError for a value that the field cannot hold."""
        kept = value if value is None else self.normal(value)
        return kept if kept is None or self.write is None else self.write(kept)

    def normal(self, value: Any) -> Any:
        """Return what the field keeps of a value; ValueError for one that it cannot hold."""
        return value if self.written is None else self.written(value)


def table_columns(row: Contract, index: Sequence[str]) -> dict[str, Column]:
    """Return the columns of a table, in order: its index, and the fields of a key that has several.

    A key of one field needs no column, it is the row's key itself. ContractError for a field without an order.
    """
    names = [*index, *(name for name in row.key if len(row.key) > 1 and name not in index)]
    return {name: column(row, name) for name in names}


class RowValues:
    """Makes the values of a row's columns, and behind them the text of the fields that are searched."""

    def __init__(self, columns: Iterable[Column], search: Sequence[str]) -> None:
        columns = list(columns)
        self.fields = (*(each.name for each in columns), *search)
        """The fields that they are made of."""
        self._writers = [(place, each.write) for place, each in enumerate(columns) if each.write is not None]
        self._columns = len(columns)
        self._is_searched = bool(search)

    def of(self, row: Message) -> list[Value]:
        """Return those of a row."""
        return self.made([getattr(row, name) for name in self.fields])

    def made(self, values: list[Any]) -> list[Value]:
        """Return those that are made of these values of the fields, which it may change."""
        for place, write in self._writers:
            if (value := values[place]) is not None:
                values[place] = write(value)
        if self._is_searched:
            values[self._columns :] = ["\n".join(filter(None, values[self._columns :])) or None]
        return values


def column(contract: Contract, name: str) -> Column:
    """Return how a field is compared; ContractError for a type that has no order."""
    sort, node = type_sort(contract, name), _one_type(contract, name)
    if sort is None or node is None:
        raise ContractError(f"{contract.name}: field {name!r} cannot be an index: it has no one type that has an order")
    return Column(name, sort, _writer(node), written(node))


def type_sort(contract: Contract, name: str) -> str | None:
    """Return the kind of a field's type, null aside; None for records, arrays, maps and unions of several types."""
    match _one_type(contract, name):
        case Logical(kind="decimal", scale=scale):
            return f"decimal of {scale} places"
        case Logical(kind):
            return _LOGICAL[kind]
        case AvroEnum(name=enum):
            return f"enum {enum.rpartition('.')[2]}"
        case AvroFixed():
            return "fixed"
        case Primitive(kind):
            return _PRIMITIVES.get(kind)
        case _:
            return None


def is_nullable(contract: Contract, name: str) -> bool:
    """Whether a field may be null."""
    node = contract.types[name]
    return isinstance(node, AvroUnion) and NULL in node.branches


def _one_type(contract: Contract, name: str) -> AvroType | None:
    """The type of a field, null aside; None for a union of several."""
    node = contract.types[name]
    if not isinstance(node, AvroUnion):
        return node
    return node.others[0] if len(node.others) == 1 else None


def _writer(node: AvroType) -> Callable[[Any], Value] | None:
    match node:
        case Logical(kind="decimal", precision=precision, scale=scale):
            return _decimal(precision, scale)
        case Logical(kind):
            return _WRITERS[_LOGICAL[kind]]
        case Primitive("float" | "double"):
            return _number
        case _:
            return None


def _microseconds(value: time) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def _since_epoch(value: datetime) -> int:
    return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def _number(value: float) -> Value:
    """One zero, and one NaN that is equal to itself and above all numbers, as PostgreSQL has it.

    SQLite would take NaN for null. It compares text as above every number, and so do places.
    """
    return float(value) + 0.0 if value == value else NAN


_WRITERS: Mapping[str, Callable[[Any], Value]] = {
    "uuid": str,
    "date": date.toordinal,
    "time": _microseconds,
    "timestamp": _since_epoch,
    "local timestamp": _since_epoch,
}


def _decimal(precision: int, scale: int) -> Callable[[Decimal], Value]:
    """Whole units of the last place: a number where it fits 64 bits, else bytes of one length, from the smallest on.

    What has more digits than the field may have stands at the ends, where no value of the field is.
    """
    most: int = 10**precision
    size = ((2 * most).bit_length() + 7) // 8

    def narrow(value: Decimal) -> int:
        units = int(_shifted(value, scale))
        return units if -most < units < most else max(-most, min(most, units))

    def wide(value: Decimal) -> bytes:
        return (narrow(value) + most).to_bytes(size, "big")

    return narrow if precision <= _WIDE else wide
