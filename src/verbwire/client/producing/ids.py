"""Ids of messages: the caller's, or new ones."""

from __future__ import annotations

import itertools
import re
import secrets

from verbwire.errors import UnencodableError
from verbwire.wire.headers import MAX_DERIVED_ID, MAX_ID

_ID = re.compile(rf"[!-~]{{1,{MAX_ID}}}")


class Ids:
    """Gives each message its id. New ones are unique: 96 random bits of this object, and a number."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(12)
        self._numbers = itertools.count(1)

    def of(self, given: str | None) -> str:
        """Return the id given by the caller, else a new one; :class:`UnencodableError` when it cannot be one."""
        if given is None:
            return f"{self._prefix}-{next(self._numbers)}"
        if not _ID.fullmatch(given):
            raise UnencodableError(f"id {given[:80]!r}: use 1 to {MAX_ID} printable ASCII characters without spaces")
        return given


def require_flow(correlation_id: str | None, causation_id: str | None) -> None:
    """Raise :class:`UnencodableError` where an id of another message is longer than its readers take."""
    for id in (correlation_id, causation_id):
        if id is not None and len(id) > MAX_DERIVED_ID:
            raise UnencodableError(f"id {id[:80]!r}... of another message: {MAX_DERIVED_ID} characters are the most")
