"""How a command is sent for later: headers of a record in the topic of its context's scheduler.

The record is the command's as it would have been sent, with one header more. What cancels it lies in the same topic and
partition, under the command's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from verbwire.errors import UndecodableError, UnencodableError
from verbwire.when import MOST_AHEAD, require_when
from verbwire.wire.headers import Headers, RawHeaders

DUE_HEADER = "vw_due"
"""When it is to be delivered, in milliseconds since the epoch."""
AFTER_HEADER = "vw_after"
"""How long after its record's timestamp instead, in milliseconds."""
CANCEL_HEADER = "vw_cancel"
"""The id of the command that the record cancels."""
CANCEL = "Cancel"
"""What a cancellation is called in outcomes, behind the name of the scheduler."""
TOO_LATE, UNKNOWN = "too_late", "unknown"
"""The codes by which it is rejected: it was delivered before; or no command of that id is, or lately was, scheduled."""
MOST_BYTES = 900_000
"""Of key, value and headers of a command that is sent for later: its scheduler keeps them in one record."""

_OURS = (DUE_HEADER, AFTER_HEADER)
_MILLISECOND = timedelta(milliseconds=1)
_DIGITS = 15


def time_header(at: datetime | None, after: timedelta | None) -> tuple[str, bytes]:
    """Return the header that says when; raises like :func:`~verbwire.when.require_when`."""
    require_when(at, after)
    if at is not None:
        return DUE_HEADER, b"%d" % max(0, round(at.timestamp() * 1000))
    return AFTER_HEADER, b"%d" % ((after or timedelta(0)) // _MILLISECOND)


def require_room(what: str, key: bytes, value: bytes, headers: RawHeaders) -> None:
    """Raise :class:`UnencodableError` where a command is too large to be sent for later."""
    size = 2 * len(key) + len(value) + sum(len(name) + len(each) for name, each in headers)
    if size > MOST_BYTES:
        raise UnencodableError(
            f"{what} is {size} bytes with its key and headers, one that is sent for later may have {MOST_BYTES}: "
            "keep less in it"
        )


def due_of(headers: Headers, timestamp: int) -> int:
    """Return when a record of that timestamp is due, in milliseconds; :class:`UndecodableError` where it does not say.

    Or where that is further ahead than :data:`MOST_AHEAD`.
    """
    due, after = _number(headers, DUE_HEADER), _number(headers, AFTER_HEADER)
    if due is None:
        if after is None:
            raise UndecodableError(f"the record has neither {DUE_HEADER} nor {AFTER_HEADER}: it does not say when")
        due = timestamp + after
    if due - timestamp > MOST_AHEAD // _MILLISECOND:
        raise UndecodableError(f"the record is due more than {MOST_AHEAD.days} days after it was sent")
    return due


def _number(headers: Headers, name: str) -> int | None:
    text = headers.text(name)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise UndecodableError(f"header {name} is {text[:40]!r}, not a number of milliseconds")
    return None if text is None else int(text)


def without_time(headers: Sequence[tuple[str, bytes]]) -> RawHeaders:
    """Return the headers of the command itself."""
    return [each for each in headers if each[0] not in _OURS]
