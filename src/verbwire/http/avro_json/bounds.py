"""Bounds of contracts in JSON Schema: as they are, where JSON has the same type, else as a pattern of its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

JsonSchema: TypeAlias = dict[str, Any]

_LONG = (-(2**63), 2**63 - 1)
_GROUP, _TAILS = "[A-Za-z0-9+/]", ("", "{2}==", "{3}=")  # of base64, by the number of bytes behind whole groups


def bounded(schema: JsonSchema, sort: str, bounds: Mapping[str, Any]) -> JsonSchema:
    """Return the schema of a type with the bounds that go with its sort, as :func:`bounds.sort_of` names it."""
    if not bounds:
        return schema
    match sort:
        case "integer":
            return _integer(schema, bounds)
        case "float":
            return _float(schema, bounds)
        case "bytes":
            return _bytes(schema, bounds)
        case "decimal":
            words = [f"{word} {limit}" for word, limit in bounds.items()]
            return {**schema, "description": f"{schema['description'].rstrip('.')}, {', '.join(words)}."}
        case _:
            return {**schema, **bounds}


def _integer(schema: JsonSchema, bounds: Mapping[str, Any]) -> JsonSchema:
    if "anyOf" not in schema:
        return {**schema, **_narrower(schema, bounds)}
    number, text = schema["anyOf"]  # a long may be text
    number = {**number, **_narrower(number, bounds)}
    return {"anyOf": [number, {**text, "pattern": f"^({digits_between(number['minimum'], number['maximum'])})$"}]}


def _float(schema: JsonSchema, bounds: Mapping[str, Any]) -> JsonSchema:
    number, others = schema["anyOf"]  # what JSON has no number for, as text
    least, most = bounds.get("minimum"), bounds.get("maximum")
    names = [
        each
        for each in others["enum"]
        if (least is None or float(each) >= least) and (most is None or float(each) <= most)
    ]
    number = {**number, **bounds, **_narrower(number, bounds)}
    return {"anyOf": [number, {**others, "enum": names}]} if names else number


def _narrower(schema: JsonSchema, bounds: Mapping[str, Any]) -> JsonSchema:
    found: JsonSchema = {}
    for word, choose in (("minimum", max), ("maximum", min)):
        limits = [each[word] for each in (schema, bounds) if word in each]
        found |= {word: choose(limits)} if limits else {}
    return found


def _bytes(schema: JsonSchema, bounds: Mapping[str, Any]) -> JsonSchema:
    """So many bytes are so many whole groups of four characters, and one of three ends."""
    least, most = bounds.get("minLength", 0), bounds.get("maxLength")
    choices = []
    for rest, tail in enumerate(_TAILS):
        fewest = max(0, -(-(least - rest) // 3))
        largest = "" if most is None else (most - rest) // 3
        if largest == "" or largest >= fewest:
            choices.append(f"({_GROUP}{{4}}){{{fewest},{largest}}}" + (f"{_GROUP}{tail}" if tail else ""))
    said = " and ".join(f"{word} {limit}" for word, limit in bounds.items())
    return {**schema, "pattern": f"^({'|'.join(choices)})$", "description": f"Of its bytes: {said}."}


def digits_between(least: int, most: int) -> str:
    """Return a pattern of the integers from `least` to `most`, without signs or zeros that say nothing."""
    if least >= 0:
        return "|".join(_naturals(least, most))
    negative = "|".join(_naturals(max(1, -most), -least))
    return f"-({negative})" if most < 0 else f"-({negative})|{digits_between(0, most)}"


def _naturals(least: int, most: int) -> Iterator[str]:
    """By the number of digits."""
    for size in range(len(str(least)), len(str(most)) + 1):
        smallest = 0 if size == 1 else 10 ** (size - 1)
        yield from _of_one_length(str(max(least, smallest)), str(min(most, 10**size - 1)))


def _of_one_length(least: str, most: str) -> Iterator[str]:
    """From `least` to `most`, which have as many digits: by the first digit."""
    rest = len(least) - 1
    if not rest:
        yield f"[{least}-{most}]"
        return
    if least[0] == most[0]:
        yield from (least[0] + each for each in _of_one_length(least[1:], most[1:]))
        return
    first, last = int(least[0]), int(most[0])
    if least[1:] != "0" * rest:
        yield from (least[0] + each for each in _of_one_length(least[1:], "9" * rest))
        first += 1
    if most[1:] != "9" * rest:
        yield from (most[0] + each for each in _of_one_length("0" * rest, most[1:]))
        last -= 1
    if first <= last:
        yield f"[{first}-{last}][0-9]{{{rest}}}"
