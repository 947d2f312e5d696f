"""Spans of time as people read them: ``4 s``, ``3 min``, ``2.5 h``, ``12 d``."""

from __future__ import annotations

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def span(seconds: float | None) -> str:
    """Return a span of time in its largest unit of which there are two or more; ``?`` where it is not known."""
    if seconds is None:
        return "?"
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
