"""Dead letters as they are shown and exported, put together in one place for the command line and for HTTP."""

from __future__ import annotations

import base64
from typing import Any

from verbwire.dead_letters.letter import DeadLetter
from verbwire.errors import UndecodableError
from verbwire.wire.codec.display import plain
from verbwire.wire.json.numbers import exact
from verbwire.wire.registry.client import Registry


def shown_message(registry: Registry, value: bytes | None) -> tuple[Any, str | None]:
    """Return what the bytes say, its numbers exact; or they themselves in hexadecimal, and why they cannot be read."""
    if value is None:
        return None, None
    try:
        return exact(plain(registry, value)), None
    except UndecodableError as error:
        return value.hex(), str(error)


def exported(registry: Registry, found: DeadLetter) -> dict[str, Any]:
    """Return a dead letter whole: its bytes in base64, times in milliseconds, its message where it can be read."""
    original, record = found.record.original, found.record
    message, unread = shown_message(registry, original.value)
    return {
        "group": found.group,
        "place": str(found.place),
        "from": found.origin,
        "type": found.type,
        "id": found.id,
        "reason": record.reason,
        "detail": record.detail,
        "since": found.since,
        "time": original.timestamp,
        "key": _base64(original.key),
        "value": _base64(original.value),
        "headers": [[name, _base64(value)] for name, value in original.headers],
        "message": message if unread is None else None,
        "unread": unread,
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
