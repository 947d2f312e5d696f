"""Classes made on the spot, for records whose generated class nobody has imported here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from verbwire.contracts.schema.defaults import plain_default
from verbwire.contracts.schema.model import Contract, Schema
from verbwire.messages import Message, Row
from verbwire.wire.avro.expanded import spelled_out
from verbwire.wire.avro.strict_types import fitting_type


class _Loose(Row, frozen=True, kw_only=True):
    """Base of the classes made here, which are thereby no direct subclasses of Row, as the generated ones are."""


def row_class(contract: Contract) -> type[Message]:
    """Return the generated class of this very contract, if somebody has imported it; else one with the same fields.

    It has the same defaults; its enums are text.
    """
    for cls in Row.__subclasses__():
        if (cls.__contract__, cls.__fingerprint__) == (contract.name, contract.fingerprint):
            return cls

    def record(schema: Schema, fields: Mapping[str, Any]) -> type[msgspec.Struct]:
        outermost = schema["name"] == contract.name
        return msgspec.defstruct(
            schema["name"].rpartition(".")[2],
            [_field(field, fields[field["name"]]) for field in schema["fields"]],
            bases=(_Loose,) if outermost else (msgspec.Struct,),
            namespace={"__contract__": contract.name, "__fingerprint__": contract.fingerprint} if outermost else {},
            frozen=True,
            kw_only=True,
        )

    made: type[Message] = fitting_type(spelled_out(contract.schema), record)
    return made


def _field(field: Schema, its_type: Any) -> Any:
    if "default" not in field:
        return field["name"], its_type
    default = msgspec.convert(plain_default(field["default"], field["type"]), its_type)
    return field["name"], its_type, msgspec.field(default_factory=lambda: default)
