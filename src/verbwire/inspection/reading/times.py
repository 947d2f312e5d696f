"""Points in time as operators write and read them: ``-1h`` or RFC 3339 in, RFC 3339 with milliseconds out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

from verbwire.errors import ConfigurationError

_AGO = re.compile(r"-?(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_STEPS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def milliseconds_of(text: str, option: str, now: Callable[[], float] = time.time) -> int:
    """Return a point in time in milliseconds since the epoch: so long ago (``-1h``), or RFC 3339 with its zone.

    :class:`ConfigurationError` for anything else; `option` is what the caller wrote it at.
    """
    if found := _AGO.fullmatch(text):
        return round((now() - float(found[1]) * _SECONDS[found[2]]) * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigurationError(
            f"{option} {text!r} is no time: write how long ago (-90s, -15m, -1h, -2d), or a time with its zone, like "
            "2026-11-28T15:00:00Z"
        )
    return round(moment.timestamp() * 1000)


def time_text(milliseconds: int) -> str | None:
    """Return a record's timestamp as RFC 3339 in UTC, with milliseconds; None for one that is no time."""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return None if milliseconds < 0 else f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def duration_text(milliseconds: int) -> str:
    """Return a duration as people read it: ``4 ms``, ``1.3 s``, ``2 min 5 s``, ``3 h 1 min``, ``4 d 2 h``."""
    sign, left = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    if left < 1000:
        return f"{sign}{left} ms"
    seconds = left / 1000
    for large, name, small, rest in _STEPS:
        if seconds >= large:
            return f"{sign}{int(seconds // large)} {name} {int(seconds % large // small)} {rest}"
    return f"{sign}{seconds:.1f} s"
