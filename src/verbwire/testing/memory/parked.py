"""Parked records in memory: which there are, and what operators ask for, as on a cluster."""

from __future__ import annotations

from typing import Any

from verbwire.kafka.record import place_of
from verbwire.requests.sender import Asked, RequestSender
from verbwire.testing.memory.groups import MemoryGroup
from verbwire.testing.memory.parked_key import ParkedInMemory
from verbwire.wire.records.requests import SKIP


class GroupStoppedError(AssertionError):
    """A handler of a table or a process raised, and its partition is stopped, as it would on a worker.

    Or one of a subscriber did that parks, and no more are.

    The handler's exception is the cause. `stopped` of the project in memory names the groups from then on.
    """


class RecordParkedError(GroupStoppedError):
    """A handler of a group that parks raised: the record is parked, as it would on a worker, and later ones too.

    The handler's exception is the cause. Everything else has happened; `parked` of the project in memory tells what
    waits. It is raised once for each record that cannot be handled, not for those behind it.
    """


def require_running(group: MemoryGroup) -> None:
    """Raise GroupStoppedError where a group is stopped."""
    if group.stopped:
        raise GroupStoppedError(group.stopped) from group.cause


def require_none_parked(group: MemoryGroup) -> None:
    """Raise RecordParkedError where a record of a group was parked since this was asked last."""
    if (found := group.take_parked()) is not None:
        told = f"{group.name}: {place_of(found.record)} is parked: {found.reason}"
        raise RecordParkedError(told) from found.__cause__


class MemoryParking:
    """What operators do about parked records, to groups in memory."""

    def __init__(self, sender: RequestSender) -> None:
        self._sender = sender

    def keys(self, group: MemoryGroup) -> dict[Any, ParkedInMemory]:
        """Return the keys of a group that are parked."""
        return {group.key_shown(key): its for key, its in group.parked_keys().items()}

    def ask(self, kind: str, group: MemoryGroup, key: tuple[Any, ...], place: str = "", why: str = "") -> None:
        """Ask for a key of a group."""
        partition, found = group.key_of(key)
        self._sender.ask(group.name, [Asked(kind=kind, partition=partition, key=found, place=place)], "in-memory", why)

    def skip(self, group: MemoryGroup, key: tuple[Any, ...], why: str) -> None:
        """Ask to skip the first record of a key."""
        for place in group.first_parked(*group.key_of(key)):
            self.ask(SKIP, group, key, place, why)
