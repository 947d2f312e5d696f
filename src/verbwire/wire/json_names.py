"""Objects of JSON that have a name twice: which value is meant nobody can say (RFC 8259 section 4, RFC 7493)."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def repeated_name(text: bytes, value: Any) -> str | None:
    """Return a name that some object in `text` has twice, None where none has; `value` is what msgspec decodes of it.

    RecursionError where it is nested too deep.
    """
    if _encode(value) == text:  # what was lost on reading would be missing; most programs write like this one
        return None
    try:
        json.loads(text, object_pairs_hook=_once, parse_int=_nothing, parse_float=_nothing)
    except _Repeated as found:
        return found.name
    return None


class _Repeated(Exception):  # noqa: N818 (a signal)
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set[str]()
    for name, _ in pairs:
        if name in seen:
            raise _Repeated(name)
        seen.add(name)


def _nothing(_: str) -> None:
    """Numbers do not matter here, and the longest of them cost most."""
