"""Pages of lists: by number near the start, by cursor anywhere.

A cursor is the place of a row in the list's order, so a walk meets every key that stays exactly once, whatever is
written meanwhile, and costs the same on its last page as on its first.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verbwire import base64url
from verbwire.http.base import limits, problem_types
from verbwire.http.base.problem import HttpProblem

_VERSION = b"\x01"
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class PageWindow:
    """Up to `size` rows from behind the place `after`, `skip` of them passed over first."""

    size: int
    after: bytes = b""
    skip: int = 0


def window(scope: str, given: Mapping[str, str], defaults: Mapping[str, Any] = NOTHING) -> PageWindow:
    """Return what ``page``, ``page_size`` and ``cursor`` ask for; 400 where they ask for too much.

    `scope` is the list that a cursor has to be of, `defaults` are its contract's.
    """
    usual = min(defaults.get("page_size") or limits.PAGE_SIZE, limits.MAX_PAGE_SIZE)
    size = _number(given, "page_size", usual, limits.MAX_PAGE_SIZE)
    if "cursor" in given:
        if "page" in given:
            raise HttpProblem(problem_types.BAD_PAGE, "a cursor already says where the list goes on: leave `page` out")
        return PageWindow(size, _after(scope, given["cursor"]))
    page = _number(given, "page", defaults.get("page") or 1)
    if page * size > limits.MAX_ROW:
        detail = f"`page` reaches to row {limits.MAX_ROW}: follow `next`, its cursor reaches the last row"
        raise HttpProblem(problem_types.PAGE_TOO_DEEP, detail)
    return PageWindow(size, skip=(page - 1) * size)


def cursor(scope: str, place: bytes) -> str:
    """Return the opaque text that stands for "behind this place of this list"."""
    return base64url.as_text(_VERSION + _sum(scope, place) + place)


def bad_cursor() -> HttpProblem:
    """Return 400: this is no cursor that we have given out for this list."""
    return HttpProblem(
        problem_types.BAD_CURSOR, "this cursor does not belong to this list: use the one in `next`, or start without"
    )


def _after(scope: str, text: str) -> bytes:
    try:
        data = base64url.from_text(text)
    except (ValueError, binascii.Error):
        data = b""
    version, checksum, place = data[:1], data[1:5], data[5:]
    if version != _VERSION or not place or checksum != _sum(scope, place):
        raise bad_cursor()
    return place


def _sum(scope: str, place: bytes) -> bytes:
    """Tell cursors of other lists, and cut ones; not a signature: a principal may start from any place."""
    return zlib.crc32(scope.encode() + b"\x00" + place).to_bytes(4, "big")


def _number(given: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    text = given.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if number < 1 or (most is not None and number > most):
        limit = f" to {most}" if most is not None else " on"
        raise HttpProblem(problem_types.BAD_PAGE, f"{name} is {text!r}: write a number from 1{limit}")
    return number
