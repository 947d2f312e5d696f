"""Refuses JSON objects with duplicate names: readers disagree on which value counts (RFC 8259 section 4, RFC 7493)."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical").encode


class RepeatedNameError(ValueError):
    """An object has this name twice."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:80]!r} stands twice in one object, and readers take different ones: write it once")
        self.name = name


def require_once(text: bytes, value: Any, plain: bool = False) -> None:
    """Raise :class:`RepeatedNameError` where some object in `text` has a name twice.

    `value` is what msgspec has decoded of it, all of it: of what that took as it is (:class:`msgspec.Raw`), only the
    outside is looked at. It is `plain` where no type said how, so that nothing has been left out or filled in.
    RecursionError where it is nested too deep.
    """
    again = _encode(value)  # what was lost on reading is missing; most programs write like this one
    if again != text and not (plain and _as_many_quotes(again, text)):
        json.loads(text, object_pairs_hook=_once, parse_int=_nothing, parse_float=_nothing)


def _as_many_quotes(again: bytes, text: bytes) -> bool:
    """Whether no name was lost: each has two quotes, and no others come or go where nothing is escaped."""
    return b"\\" not in text and again.count(b'"') == text.count(b'"')


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for name, _ in pairs:
        if name in seen:
            raise RepeatedNameError(name)
        seen.add(name)


def _nothing(_: str) -> None:
    """Numbers do not matter here, and the longest of them cost most."""
