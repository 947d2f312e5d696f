"""Messages to bytes and back: Avro in the Confluent wire format. Whatever is written is read back equal.

fastavro does the work; what it lets pass in silence is refused here: a float where an integer belongs, text where a
boolean belongs, integers of more than 32 bits, times without a zone, bytes left over after a record. Values have one
form (:mod:`~verbwire.wire.avro.normal_form`); bytes are looked through (:mod:`~verbwire.wire.avro.validation`) and read
strictly (:mod:`~verbwire.wire.avro.strict_schemas`), by their writer's schema, and brought into ours
(:mod:`~verbwire.wire.avro.resolution`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from io import BytesIO
from typing import Any, TypeVar
from uuid import UUID

import fastavro
import msgspec
from fastavro import schemaless_reader
from msgspec import convert

from verbwire.contracts.schema.bounds_check import BoundViolation
from verbwire.contracts.schema.model import Contract, Schema
from verbwire.contracts.schema.tree import record_of
from verbwire.errors import ContractError, UndecodableError, UnencodableError
from verbwire.messages import Message
from verbwire.wire.avro import compiled
from verbwire.wire.avro.fingerprints import Fingerprints, fingerprint_of
from verbwire.wire.avro.framing import HEADER_SIZE, frame
from verbwire.wire.avro.normal_form import UntidyError, frozen, kept, written
from verbwire.wire.avro.resolution import resolution
from verbwire.wire.avro.schema_equality import shape
from verbwire.wire.avro.strict_schemas import reading_schema, writing_schema
from verbwire.wire.avro.strict_types import fitting_type, is_flat
from verbwire.wire.avro.validation import walk_of

M = TypeVar("M", bound=Message)

# What fastavro converts by itself (Avro's logical types); to_builtins must leave it alone.
_BUILTIN = (bytes, bytearray, datetime, date, time, Decimal, UUID)

# What fastavro and msgspec raise on values or bytes that do not fit. fastavro raises plain builtins, from C.
MISFITS = (
    msgspec.ValidationError,
    fastavro.read.SchemaResolutionError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


BAD_SCHEMAS = (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType, LookupError, TypeError, ValueError)


def _builtins(message: Message) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(message, builtin_types=_BUILTIN)
    return values


def _beyond(contract: Contract, excess: BoundViolation) -> UnencodableError:
    return UnencodableError(f"{contract.name} is out of the bounds of its contract: {excess}")


class Encoder:
    """Writes the messages of one contract, exactly or not at all; may be used by several threads."""

    def __init__(self, contract: Contract, schema_id: int) -> None:
        self.contract = contract
        self.schema_id = schema_id
        self._frame = frame(schema_id)
        self._schema = writing_schema(contract.schema)
        self._fitting = fitting_type(contract.tree)
        self._bounds = contract.bounds
        self._fields = msgspec.structs.asdict if is_flat(contract.tree) else _builtins
        self._written, self._kept = written(contract.tree), kept(contract.tree)
        self._readers: dict[type[Message], Reader] = {}  # of those that were untidy once
        self._compiled = compiled.writing(contract.tree, self._frame)

    def __call__(self, message: Message) -> bytes:
        """Return the value of a record; :class:`UnencodableError` names the field that does not fit, or its bounds."""
        if self._compiled is not None:
            try:
                value = self._compiled(message)
            except MISFITS:
                pass  # told below, by the field
            else:
                if self._bounds is None or self._bounds(message) is None:
                    return value
        return self._by_reference(message)

    def all(self, messages: Sequence[Message]) -> list[bytes]:
        """Return the values of several records, in their order; raises like a call for the first that does not fit."""
        if self._compiled is not None:
            try:
                values = self._compiled.all(messages)
            except MISFITS:
                pass  # told below
            else:
                if self._bounds is None or not any(map(self._bounds, messages)):
                    return values
        return [self(message) for message in messages]

    def _by_reference(self, message: Message) -> bytes:
        try:
            values = self._fields(message if self._written is None else self._written(message))
            # A struct does not check what it is built from, and fastavro not all that it is given.
            convert(values, self._fitting)
            if self._bounds is not None and (excess := self._bounds(message)):
                raise _beyond(self.contract, excess)
            out = BytesIO()
            out.write(self._frame)
            # Without the option a tuple of two in a union would be taken for (branch, value).
            fastavro.schemaless_writer(out, self._schema, values, disable_tuple_notation=True)
            return out.getvalue()
        except MISFITS as error:
            raise self._unencodable(error) from error

    def normal(self, message: M) -> M:
        """Return a message as it will be read back: the very same object where it is that already.

        :class:`UnencodableError` names a field whose value has no such form; what else cannot be written is refused
        when it is written.
        """
        if self._kept is None or self._is_tidy(message):
            return message
        try:
            found: M = self._kept(message)
            return found
        except UntidyError:
            return self._reader(type(message))(self(message))  # type: ignore[return-value]  # of the message's type
        except MISFITS as error:
            raise self._unencodable(error) from error

    def _is_tidy(self, message: Message) -> bool:
        try:
            return self._compiled is not None and self._compiled.tidy(message)
        except MISFITS:
            return False

    def _reader(self, cls: type[Message]) -> Reader:
        found = self._readers.get(cls)
        if found is None:
            found = self._readers[cls] = Reader(self.contract, cls, self.contract.schema)
        return found

    def fingerprint(self, message: Message) -> bytes:
        """Return the fingerprint of a command that can be written, 16 bytes: the same for all that have its value."""
        return self._fingerprints.of(self.normal(message))

    @cached_property
    def _fingerprints(self) -> Fingerprints:
        return Fingerprints(self.contract.tree)

    def _unencodable(self, error: Exception) -> UnencodableError:
        return UnencodableError(f"{self.contract.name} does not fit its schema: {error}")


class Reader:
    """Reads records that were written with one schema into the class of a contract.

    A field that the writer's schema has not is what the class has for it when it is left out. :class:`ContractError`
    when the schema is not valid Avro, or its records are none of the contract.
    """

    def __init__(self, contract: Contract, cls: type[Message], writer_schema: Schema) -> None:
        self.contract = contract
        self._cls = cls
        try:
            fastavro.parse_schema(writer_schema, named_schemas={})
            self._written_as = writer = record_of(writer_schema)
            self._schema = reading_schema(writer)
            self._resolve = resolution(writer, contract.tree)
            self._walk = walk_of(writer)
        except (*BAD_SCHEMAS, ArithmeticError) as error:
            raise ContractError(f"the schema of a {contract.name} cannot be read: {error}") from error
        self._frozen = frozen(contract.tree)
        self._writer_schema = writer_schema
        self._compiled = compiled.reading(writer, contract.tree, cls)
        self._showing = None if self._compiled is None else self._compiled.showing()
        self._reads_fields: dict[tuple[str, ...], Callable[[bytes], list[Any]]] = {}

    def shown(self, value: bytes) -> bytes | None:
        """Return the JSON of a record's message, made without making the message; None where it takes one.

        The very bytes that :func:`verbwire.http.avro_json.encode.encoder` writes of it.
        """
        if self._showing is None:
            return None
        try:
            return self._showing(value)
        except MISFITS:
            return None

    @property
    def plan(self) -> Callable[[bytes], Message] | None:
        """What reads values that are beyond doubt, for :func:`~verbwire.wire.avro.compiled.read_all`."""
        return self._compiled

    def __call__(self, value: bytes) -> Message:
        """Return the message in a record's value, its frame included; :class:`UndecodableError` otherwise."""
        if self._compiled is not None:
            try:
                return self._compiled(value)
            except MISFITS:
                pass  # told below
        return self._by_reference(value)

    def fields(self, value: bytes, names: tuple[str, ...]) -> list[Any]:
        """Return the values that these fields of the message have; :class:`UndecodableError` as for all of it."""
        read = self._reads_fields.get(names)
        if read is None:
            read = self._reads_fields[names] = self._fields_reader(names)
        try:
            return read(value)
        except MISFITS:  # told by the reference
            message = self._by_reference(value)
            return [getattr(message, name) for name in names]

    def _fields_reader(self, names: tuple[str, ...]) -> Callable[[bytes], list[Any]]:
        planned = compiled.reading_fields(self._written_as, self.contract.tree, self._cls, names)

        def of_message(value: bytes) -> list[Any]:
            message = self(value)
            return [getattr(message, name) for name in names]

        return of_message if planned is None else planned

    def _by_reference(self, value: bytes) -> Message:
        try:
            end = self._walk(value, HEADER_SIZE)
            body = BytesIO(value)
            body.read(HEADER_SIZE)
            fields = schemaless_reader(body, self._schema)
            if self._resolve is not None:
                fields = self._resolve(fields)
            message = convert(fields, self._cls)
        except MISFITS as error:
            raise UndecodableError(f"not a {self.contract.name}: {type(error).__name__} {error}") from error
        if end != len(value):
            raise UndecodableError(f"not a {self.contract.name}: {len(value) - end} bytes are left over")
        if self._frozen is not None:
            message = self._frozen(message)
        return message

    def fingerprint(self, message: Message, value: bytes) -> bytes:
        """Return the fingerprint of a command that was read from a record's value; see :meth:`Encoder.fingerprint`.

        It is of the value as its writer's schema has it, which stays the same whoever reads it; of the bytes where that
        has fields that are unknown here and of types that classes do not take.
        """
        if self._same:
            return self._fingerprints.of(message)
        try:
            return self._fingerprints.of_value(value)
        except MISFITS:
            return fingerprint_of(value)

    @cached_property
    def _fingerprints(self) -> Fingerprints:
        return Fingerprints(self._written_as)

    @cached_property
    def _same(self) -> bool:
        return bool(shape(self._writer_schema) == shape(self.contract.schema))
