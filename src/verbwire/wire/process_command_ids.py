"""The ids of a process's commands: they name the process instance, so that an outcome finds it by the command's id.

``<process>/<key of the process instance>/<what caused it, hashed>``, and ``/<tag>`` where the command has one. The key
is written in base64 for URLs, without padding. Where that is too long, ``~`` and a hash of the key stand in its place,
and the key itself goes with the command in a header (:data:`~verbwire.wire.headers.PROCESS_INSTANCE_HEADER`), which its
receiver hands on with the outcome.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import NamedTuple

from verbwire import base64url
from verbwire.errors import ContractError, UndecodableError, UnkeyableError
from verbwire.names import MAX_TAG
from verbwire.wire.headers import MAX_ID, MAX_PROCESS_INSTANCE_KEY, PROCESS_INSTANCE_HEADER, RawHeaders
from verbwire.wire.ids import derived_id

_HASH = 32  # characters of what names the cause
_KEY_HASH = 16  # bytes
_HASHED = "~"  # no letter of base64
_LONGEST_NAME = MAX_ID - len("/~/") - (_KEY_HASH * 8 + 5) // 6 - _HASH - len("/") - MAX_TAG


class CommandId(NamedTuple):
    """The parts of the id of a process's command."""

    key: str  # of the process instance, as it stands there
    tag: str | None


class CommandIds:
    """Makes the ids of one process, and recognises them; `process` is its declared name, without prefix."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._prefix = f"{process}/"
        if len(process) > _LONGEST_NAME:
            raise ContractError(
                f"process {process}: its name is part of its commands' ids and has {len(process)} characters, "
                f"{_LONGEST_NAME} are the most: shorten it"
            )

    def id(self, key: bytes, cause: str, handler: str, position: int, tag: str | None = None) -> tuple[str, RawHeaders]:
        """Return the id of the `position`-th command that a handler sends because of the message `cause`.

        Beside it the headers without which it does not lead to the process instance of this `key`: mostly none.
        UnkeyableError where the key is too long for a header, too.
        """
        rest = "/" + derived_id(self._process, cause, handler, position) + (f"/{tag}" if tag else "")
        text = base64url.as_text(key)
        if len(self._prefix) + len(text) + len(rest) <= MAX_ID:
            return f"{self._prefix}{text}{rest}", []
        if len(key) > MAX_PROCESS_INSTANCE_KEY:
            raise UnkeyableError(
                f"the key of a process instance goes with its commands: it may have {MAX_PROCESS_INSTANCE_KEY} bytes, "
                f"this one has {len(key)}"
            )
        return f"{self._prefix}{_hashed(key)}{rest}", [(PROCESS_INSTANCE_HEADER, key)]

    def whole(self, key: bytes, rest: str) -> str:
        """Return the id of which that was left without process and key (:func:`unprefixed`)."""
        text = base64url.as_text(key)
        fits = len(self._prefix) + len(text) + len("/") + len(rest) <= MAX_ID
        return f"{self._prefix}{text if fits else _hashed(key)}/{rest}"

    def read(self, command_id: str) -> CommandId | None:
        """Return the parts of a command's id; None where this process has not sent it."""
        if not command_id.startswith(self._prefix):
            return None
        key, _, rest = command_id[len(self._prefix) :].partition("/")
        hashed, tagged, tag = rest.partition("/")
        if len(hashed) != _HASH or not key or bool(tagged) != bool(tag) or not (key[0] == _HASHED or _bytes(key)):
            return None
        return CommandId(key, tag or None)

    def key(self, found: CommandId, header: bytes | None) -> bytes:
        """Return the key of the process instance, from a command's id or the header that came with its outcome.

        UndecodableError where the header is needed, and is not there or is another's.
        """
        if found.key[0] != _HASHED:
            return _bytes(found.key) or b""
        if header is None or _hashed(header) != found.key:
            what = "is missing: its receiver is older than the process" if header is None else "is of another one"
            raise UndecodableError(f"header {PROCESS_INSTANCE_HEADER}, the key of the process instance, {what}")
        return header


def unprefixed(command_id: str) -> str:
    """Return what is left of the id of a process's command without process and key: it is as unique in its instance."""
    return command_id.split("/", 2)[-1]


def _hashed(key: bytes) -> str:
    return _HASHED + base64url.as_text(hashlib.blake2b(key, digest_size=_KEY_HASH).digest())


def _bytes(text: str) -> bytes | None:
    try:
        return base64url.from_text(text)
    except (binascii.Error, ValueError):
        return None
