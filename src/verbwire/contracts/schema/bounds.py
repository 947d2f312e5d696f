"""Bounds of values: what a field's attributes say beside its type, in the words of JSON Schema 2020-12.

=================================  =====================================================================
on                                 words
=================================  =====================================================================
string                             minLength, maxLength (characters), pattern (searched for)
bytes                              minLength, maxLength (bytes)
int, long, float, double, decimal  minimum, maximum, which are allowed themselves; a decimal's may be text
array                              minItems, maxItems
map                                minProperties, maxProperties; propertyNames, an object of a string's words
=================================  =====================================================================

They stand on a field, or on the type of an array's items or a map's values, and hold for values that are not null. In
a union of several types each word holds for values of the types that it goes with. Times, enums and booleans have
none.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from verbwire.contracts.schema.patterns import PatternError, require_pattern
from verbwire.contracts.schema.problems import ContractProblem, SchemaPlace
from verbwire.messages import Kind

Bounds: TypeAlias = Mapping[str, Any]
"""Words and their limits, as the schema has them."""

KEY_LENGTH = 200
"""The most characters (bytes, of bytes) of a key field whose contract says nothing: as many as an id may have.

Ids are derived from keys, and HTTP takes 1,024 bytes of a key, which 200 characters of four bytes each never pass.
"""

_SIZES = {"text": "Length", "bytes": "Length", "array": "Items", "map": "Properties"}
GOES_WITH: dict[str, tuple[str, ...]] = {sort: (f"min{size}", f"max{size}") for sort, size in _SIZES.items()}
GOES_WITH["text"] += ("pattern",)
GOES_WITH["map"] += ("propertyNames",)
GOES_WITH |= dict.fromkeys(("integer", "float", "decimal"), ("minimum", "maximum"))
WORDS = tuple(dict.fromkeys(word for words in GOES_WITH.values() for word in words))
_PAIRS = [(word, word.replace("min", "max", 1)) for word in WORDS if word.startswith("min")]
_SORTS = {"string": "text", "bytes": "bytes", "array": "array", "map": "map"}
_SORTS |= {"int": "integer", "long": "integer", "float": "float", "double": "float"}
_DECIMAL = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?", re.ASCII)
_LARGEST = 2**31 - 1  # of sizes


def sort_of(avro_type: Any) -> str | None:
    """Return what sort of bounds goes with a type; None where none does, or with each type of a union its own."""
    if isinstance(avro_type, str):
        return _SORTS.get(avro_type)
    if not isinstance(avro_type, dict):
        return None
    if avro_type.get("logicalType") is not None:
        return "decimal" if avro_type["logicalType"] == "decimal" else None
    return _SORTS.get(avro_type["type"]) if isinstance(avro_type["type"], str) else sort_of(avro_type["type"])


def branches_of(avro_type: Any) -> list[Any]:
    """Return the types that a value which is not null may have."""
    return [each for each in avro_type if each != "null"] if isinstance(avro_type, list) else [avro_type]


def goes_with(sort: str | None) -> tuple[str, ...]:
    """Return the words of a sort of types."""
    return GOES_WITH.get(sort or "", ())


def bounds_of(holder: Mapping[str, Any], key: Collection[str] = ()) -> dict[str, Any]:
    """Return the bounds of a field, or of a type of items; of a field that is in `key`, also those that are implied."""
    found = {word: holder[word] for word in WORDS if word in holder}
    if holder.get("name") in key and sort_of(holder["type"]) in ("text", "bytes"):
        implied = {"minLength": 1, "maxLength": max(KEY_LENGTH, found.get("minLength", 0))}
        return {**implied, **found}
    return found


def bounded_key(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the key fields that have bounds without saying so: those of what comes from outside.

    A row's key comes of an event's. A bound of its own could only stop its table.
    """
    key = schema.get("key", ()) if schema.get("kind") in (Kind.COMMAND, Kind.EVENT, Kind.QUERY) else ()
    return (key,) if isinstance(key, str) else tuple(key)


def decimal_of(limit: Any) -> Decimal:
    """Return the limit of a decimal, which may be written as text or as a number."""
    return Decimal(str(limit))


def bound_problems(holder: Mapping[str, Any], avro_type: Any, place: SchemaPlace) -> Iterator[ContractProblem]:
    """What is wrong with the bounds of a field or of a type of items; references need not be resolved."""
    if not (found := bounds_of(holder)):
        return
    types = [each for each in branches_of(avro_type) if _is_typed(each)]
    sorts = [sort_of(each) for each in types]
    for word, limit in found.items():
        text = _misplaced(word, sorts) or _limit_problem(word, limit, types, found)
        if text:
            yield place.at(word).problem(text)
            return
    for least, most in _PAIRS:
        if least in found and most in found and decimal_of(found[least]) > decimal_of(found[most]):
            yield place.at(least).problem(f"{found[least]} is more than {most}, {found[most]}: nothing would fit")


def _is_typed(avro_type: Any) -> bool:
    return isinstance(avro_type, str) or (isinstance(avro_type, dict) and "type" in avro_type)


def _misplaced(word: str, sorts: list[str | None]) -> str | None:
    if any(word in goes_with(sort) for sort in sorts):
        return None
    words = list(dict.fromkeys(each for sort in sorts for each in goes_with(sort)))
    if not words:
        return "does not go with this type, which has no bounds: remove it"
    return f"does not go with this type: use {' or '.join(words)}, or remove it"


def _limit_problem(word: str, limit: Any, avro_types: list[Any], bounds: Bounds) -> str | None:
    sorts = [sort_of(each) for each in avro_types]
    if word == "pattern":
        return _pattern_problem(limit, bounds)
    if word == "propertyNames":
        return _names_problem(limit)
    if word not in ("minimum", "maximum"):
        return None if _is_size(limit) else f"is a whole number from 0 to {_LARGEST}, without quotes"
    if "decimal" in sorts:
        return None if _is_decimal(limit) else 'is a number, best as text, like "0.01"'
    if "float" in sorts:
        return _float_problem(limit, avro_types) if _is_number(limit) else "is a number, without quotes"
    return None if _is_whole(limit) else "is a whole number, without quotes"


def _names_problem(names: Any) -> str | None:
    """What is wrong with the bounds of the names of a map's entries, which are a string's."""
    if not isinstance(names, dict) or not names or names.keys() - goes_with("text"):
        return f'holds {", ".join(goes_with("text"))} of the names, like {{"maxLength": 40}}'
    return next((each.message for each in bound_problems(names, "string", SchemaPlace(Path()))), None)


def _float_problem(limit: float, avro_types: list[Any]) -> str | None:
    """A value is rounded to 32 bits when it is written: what was within its bounds must be so afterwards."""
    if "float" not in [each if isinstance(each, str) else each["type"] for each in avro_types]:
        return None
    try:
        (kept,) = struct.unpack("<f", struct.pack("<f", limit))
    except OverflowError:
        return "is more than a float holds: use a double, or remove it"
    return None if kept == limit else f"is not exact in the 32 bits of a float: write {kept!r}, or use a double"


def _pattern_problem(pattern: Any, bounds: Bounds) -> str | None:
    if not isinstance(pattern, str):
        return 'is a regular expression as text, like "^[a-z]+$"'
    if not _is_size(bounds.get("maxLength")):
        return 'needs a "maxLength" beside it: how long a text is looked through must be known'
    try:
        require_pattern(pattern, bounds["maxLength"])
    except PatternError as error:
        return str(error)
    return None


def _is_size(limit: Any) -> bool:
    return _is_whole(limit) and 0 <= limit <= _LARGEST


def _is_whole(limit: Any) -> bool:
    return isinstance(limit, int) and not isinstance(limit, bool)


def _is_number(limit: Any) -> bool:
    return _is_whole(limit) or (isinstance(limit, float) and math.isfinite(limit))


def _is_decimal(limit: Any) -> bool:
    return _DECIMAL.fullmatch(limit) is not None if isinstance(limit, str) else _is_number(limit)
