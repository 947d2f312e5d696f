"""Makes classes at run time for records whose generated class is not imported in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from verbwire.contracts.schema.model import Contract
from verbwire.contracts.schema.tree import NO_DEFAULT, AvroField, AvroRecord
from verbwire.messages import Kind, Message, Reply, Row, State
from verbwire.wire.avro.strict_types import fitting_type


class _LooseRow(Row, frozen=True, kw_only=True):
    """Base of the rows made here, which are thereby no direct subclasses of Row, as the generated ones are."""


class _LooseState(State, frozen=True, kw_only=True):
    """The same for states."""


class _LooseReply(Reply, frozen=True, kw_only=True):
    """The same for replies."""


_BASES: Mapping[Kind, tuple[type[Message], type[Message]]] = {
    Kind.ROW: (Row, _LooseRow),
    Kind.STATE: (State, _LooseState),
    Kind.REPLY: (Reply, _LooseReply),
}


def record_class(contract: Contract) -> type[Message]:
    """Return the generated class of a row, state or reply where it is imported; else a new one with the same fields.

    The new one has the same defaults; its enums are text.
    """
    base, loose = _BASES.get(contract.kind, _BASES[Kind.ROW])
    for cls in base.__subclasses__():
        if (cls.__contract__, cls.__fingerprint__) == (contract.name, contract.fingerprint):
            return cls

    def record(node: AvroRecord, fields: Mapping[str, Any]) -> type[msgspec.Struct]:
        outermost = node is contract.tree
        return msgspec.defstruct(
            node.short,
            [_field(field, fields[field.name]) for field in node.fields],
            bases=(loose,) if outermost else (msgspec.Struct,),
            namespace={"__contract__": contract.name, "__fingerprint__": contract.fingerprint} if outermost else {},
            frozen=True,
            kw_only=True,
        )

    made: type[Message] = fitting_type(contract.tree, record)
    return made


def _field(field: AvroField, its_type: Any) -> Any:
    if field.default is NO_DEFAULT:
        return field.name, its_type
    default = msgspec.convert(field.python_default, its_type)
    return field.name, its_type, msgspec.field(default_factory=lambda: default)
