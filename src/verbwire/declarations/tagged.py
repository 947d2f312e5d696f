"""Tags that tell apart a process's commands of one type: its outcome handlers see which of them was answered."""

from __future__ import annotations

import msgspec

from verbwire.messages import Command
from verbwire.names import require_tag


class Tagged(msgspec.Struct, frozen=True):
    """A command of a process under a tag; :func:`tagged` makes it."""

    tag: str
    command: Command

    def __post_init__(self) -> None:
        require_tag(self.tag)


def tagged(tag: str, command: Command) -> Tagged:
    """Return a command to be sent by a process under a tag, which stands in the context of its outcome.

    ``return state, tagged("sender", DebitBalance(...)), tagged("fee", DebitBalance(...))``. A tag is 1 to 24 letters,
    digits, dots, - and _ (:class:`~verbwire.errors.ContractError` otherwise). It is part of the command's id, and so
    outlives restarts; its receiver knows nothing of it.
    """
    return Tagged(tag, command)
