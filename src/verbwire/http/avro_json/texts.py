"""Fields that people write as text, in a URL or at a command line: each as its Avro type says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from verbwire.contracts.schema.model import Contract
from verbwire.http.avro_json.decode import JsonMismatch, reader
from verbwire.queries.columns import type_sort
from verbwire.wire.json.repeated_names import RepeatedNameError, require_once

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_OTHER_IN_JSON = (None, "integer", "number", "boolean")  # what JSON does not write as text
_WRITE = {
    "integer": "digits, like 12",
    "number": "a number, like 12.5",
    "boolean": "true or false",
    "timestamp": "a time with its zone, like 2010-12-01T08:26:00Z",
    "local": "a time without a zone, like 2010-12-01T08:26:00",
    "date": "a day, like 2010-12-01",
    "time": "a time of day, like 08:26:00",
    "uuid": "a UUID, like 6f1c1d1e-0d5c-4f0b-9d2c-3a5b7c9d1e2f",
    "decimal": "a number, like 12.50",
    "bytes": "base64, like aGVsbG8=",
    "fixed": "base64, like aGVsbG8=",
}


def text_reader(contract: Contract) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """Return what makes fields of texts; those with a default may be absent, and then are.

    It raises :class:`JsonMismatch` with the field and what to write. Lists, maps and records are written as JSON.
    """
    fields = reader(contract)
    sorts = {name: type_sort(contract, name) for name in contract.fields}
    other = {name: sort for name, sort in sorts.items() if sort in _OTHER_IN_JSON}

    def read(given: Mapping[str, str]) -> dict[str, Any]:
        try:
            return fields(
                {name: _value(other[name], name, text) if name in other else text for name, text in given.items()}
            )
        except JsonMismatch as misfit:
            how = _WRITE.get((sorts.get(root_of(misfit.field)) or "").split(" ")[0])
            raise misfit.advised(f"write {how}") if how else misfit from None

    return read


def root_of(field: str) -> str:
    """Return the field of a message of which a path tells a part."""
    return re.split(r"[.\[]", field)[0]


def _value(sort: str | None, name: str, text: str) -> Any:
    """What a parameter would be in JSON; text that is none of it stays text, and is refused as that."""
    if sort is None:
        return _json(name, text)
    if sort == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if sort == "number" and _NUMBER.fullmatch(text) and math.isfinite(float(text)):  # 1e999 is not Infinity
        return float(text)
    if sort == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _json(name: str, text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
        require_once(text.encode(), value, plain=True)
    except RepeatedNameError as error:
        raise JsonMismatch(name, str(error)) from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise JsonMismatch(name, f"cannot be read as JSON, write it like [1,2] ({error})") from None
    return value
