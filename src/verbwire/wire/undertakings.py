"""The ids of a process's commands: they say whose they are, so that an outcome finds its way back by its id alone.

``<process>/<key of the undertaking, base64 for URLs without padding>/<what caused it, hashed>``
"""

from __future__ import annotations

import base64
import binascii

from verbwire.errors import ContractError, UnkeyableError
from verbwire.wire.derived_ids import derived_id

MAX_ID = 200  # characters: of any id
_HASH = 32
_LEAST = 36  # bytes that a key may have in any case: a UUID's


class CommandIds:
    """Makes the ids of one process, and recognises them; `process` is its declared name, without prefix."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._prefix = f"{process}/"
        self.longest = (MAX_ID - len(process) - 2 - _HASH) * 3 // 4
        if self.longest < _LEAST:
            raise ContractError(
                f"process {process}: with a name of {len(process)} characters its commands' ids would be too long"
            )

    def id(self, key: bytes, cause: str, handler: str, position: int) -> str:
        """Return the id of the `position`-th command that a handler sends because of the message `cause`.

        UnkeyableError where the key is too long to be part of an id.
        """
        if len(key) > self.longest:
            raise UnkeyableError(
                f"the key of an undertaking is part of its commands' ids: in process {self._process} it may have "
                f"{self.longest} bytes, this one has {len(key)}"
            )
        text = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
        return f"{self._prefix}{text}/{derived_id(self._process, cause, handler, position)}"

    def key(self, command_id: str) -> bytes | None:
        """Return the key of the undertaking that sent a command, None where it was not of this process."""
        if not command_id.startswith(self._prefix):
            return None
        text, _, hashed = command_id[len(self._prefix) :].partition("/")
        if len(hashed) != _HASH or not text:
            return None
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
