"""Ids of messages: the caller's, or new ones."""

from __future__ import annotations

import itertools
import re
import secrets

from verbwire.errors import UnencodableError
from verbwire.wire.headers import MAX_ID

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
