"""What a new version of a schema may change by Avro's rules, and people may not have meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from verbwire.contracts.checks.compatibility import described
from verbwire.contracts.schema.bounds import WORDS
from verbwire.contracts.schema.grammar import Json

Told = tuple[str, str]  # a code, and a text for people


def oversights(before: Mapping[str, Json], now: Mapping[str, Json], kept: bool) -> Iterator[Told]:
    """Yield code and text of what is to be thought over between two schemas of a record, both expanded.

    `kept`: what was written before is changed, and written again.
    """
    yield from _Walk(kept).records(before, now, "")


class _Walk:
    """One walk through both. Pairs of records are looked at once: few bytes of a foreign schema may say millions."""

    def __init__(self, kept: bool) -> None:
        self._kept = kept
        self._seen: set[tuple[int, int]] = set()

    def records(self, before: Mapping[str, Any], now: Mapping[str, Any], path: str) -> Iterator[Told]:
        """Findings about two versions of a record."""
        if (id(before), id(now)) in self._seen:
            return
        self._seen.add((id(before), id(now)))
        old, new = ({each["name"]: each for each in record["fields"]} for record in (before, now))
        gone = [each for name, each in old.items() if name not in new]
        for name, field in new.items():
            here = f"{path}.{name}" if path else str(name)
            if name not in old:
                yield from _perhaps_renamed(here, field, gone)
                continue
            yield from _default(here, old[name], field)
            yield from self._inside(old[name], field, old[name]["type"], field["type"], here)

    def _inside(
        self, was: Mapping[str, Any], holder: Mapping[str, Any], before: Json, now: Json, path: str
    ) -> Iterator[Told]:
        """What a field, or the items of an array, hold; `was` and `holder` are where their bounds stand."""
        if self._kept:
            yield from _bounds(was, holder, path)
        for one, other in _pairs(before, now):
            if "fields" in one:
                yield from self.records(one, other, path)
            for inner in ("items", "values"):
                if inner in one:
                    was, holder = (each if isinstance(each, dict) else {} for each in (one[inner], other[inner]))
                    yield from self._inside(was, holder, one[inner], other[inner], f"{path}[]")


def _pairs(before: Json, now: Json) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The types that hold others, where both have the same: a union has one of them, at most."""
    one, other = ([each for each in _branches(node) if isinstance(each, dict)] for node in (before, now))
    for old, new in zip(one, other, strict=False):
        if old["type"] == new["type"]:
            yield old, new


def _branches(node: Json) -> list[Json]:
    return node if isinstance(node, list) else [node]


def _default(path: str, before: Mapping[str, Json], now: Mapping[str, Json]) -> Iterator[Told]:
    if "default" in before and "default" in now and before["default"] != now["default"]:
        yield (
            "default-changed",
            f"field {path}: the default was {before['default']!r}, is {now['default']!r}: what was written without the "
            "field means something else from now on, and what was made of it already does not change",
        )


def _perhaps_renamed(path: str, field: Mapping[str, Json], gone: list[Any]) -> Iterator[Told]:
    for each in gone:
        if not field.get("aliases") and described(each["type"]) == described(field["type"]):
            yield (
                "perhaps-renamed",
                f"field {path}: is new, and {each['name']}, of the same type, is gone: if it was renamed, say "
                f'"aliases": ["{each["name"]}"], else what was written before loses its value',
            )


def _bounds(before: Mapping[str, Json], now: Mapping[str, Json], path: str) -> Iterator[Told]:
    tighter = [f"{word} was {before.get(word, 'none')}, is {now[word]}" for word in _tighter(before, now)]
    if tighter:
        yield (
            "bounds-tightened",
            f"field {path}: {', and '.join(tighter)}: a row of before that is beyond it stops its partition when it "
            "changes, for it cannot be written again. Make sure that there is none, or bound the commands alone",
        )


def _tighter(before: Mapping[str, Json], now: Mapping[str, Json]) -> list[str]:
    return [
        word
        for word in WORDS
        if word in now and now[word] != before.get(word) and _is_tighter(word, before.get(word), now[word])
    ]


def _is_tighter(word: str, before: Json, now: Json) -> bool:
    if before is None or word == "pattern":
        return True
    if word == "propertyNames":
        return bool(_tighter(before, now))
    more = Decimal(str(now)) > Decimal(str(before))
    return more if word.startswith("min") else not more
