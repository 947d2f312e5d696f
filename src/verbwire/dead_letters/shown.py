"""The message of a record that somebody has to look at, put together in one place."""

from __future__ import annotations

from typing import Any

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
