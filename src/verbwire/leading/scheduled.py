"""Cancels a command that is sent for later, in the place of who has sent it."""

from __future__ import annotations

from dataclasses import replace

from verbwire.client import Client
from verbwire.client.base.connection import Connection
from verbwire.errors import ConfigurationError
from verbwire.inspection.scheduled import ScheduledEntry
from verbwire.messages import Accepted, Command, Outcome, Rejected
from verbwire.principal import Principal
from verbwire.project import Project
from verbwire.wire.keys import parse_key_text
from verbwire.wire.records.scheduled import ScheduledStatus

_SECONDS = 20.0


def cancel_scheduled(project: Project, connection: Connection, entry: ScheduledEntry) -> Outcome:
    """Cancel it; return what its scheduler says: accepted, or rejected as ``too_late`` where it has been delivered.

    Exactly one of cancelled and delivered becomes true. :class:`~verbwire.errors.OutcomeUnknownError` where no answer
    came in time: nothing is known then, and asking again is harmless.
    """
    if entry.status == ScheduledStatus.CANCELLED:  # who has sent it is not kept any more, nor is there anything to do
        return Accepted()
    if entry.status == ScheduledStatus.DELIVERED:
        return Rejected("too_late", "it has been delivered")
    command = project.classes.get(entry.command)
    if command is None or not issubclass(command, Command):
        raise ConfigurationError(f"{entry.command} is no command of the contracts that are here: cancel it with theirs")
    key = parse_key_text(project.catalog.of(command), entry.key)
    sender = Principal(entry.actor, entry.scopes)
    with Client(replace(connection, principal=sender, catalog=project.catalog)) as client:
        outcome: Outcome = client.cancel(command, key, entry.id).result(_SECONDS)
        return outcome
