"""The context of a pure handler: facts of its record, beyond the message itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Context:
    """Facts of the record: the same on every replay, so handlers stay pure. There is no `now()` here."""

    id: str  # the message's id
    time: datetime  # the broker's time of the record, UTC
    actor: str | None  # who sent it, as the sender's credentials said
    scopes: frozenset[str]
    correlation_id: str  # the message that started the flow
    topic: str
    partition: int
    offset: int
    window: datetime | None = field(default=None, kw_only=True)  # its begin, in a table of windows


@dataclass(frozen=True, slots=True)
class OutcomeContext(Context):
    """Facts of an outcome, for the process that sent its command: which of several commands it answers, too."""

    command_id: str = field(default="", kw_only=True)  # of the command that was answered
    tag: str | None = field(default=None, kw_only=True)  # what it was sent under, by `tagged`
