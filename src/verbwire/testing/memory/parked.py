"""Parked records in memory: which there are, and what operators ask for, as on a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verbwire.engine.state.parked import ParkedKey
from verbwire.kafka.record import place_of
from verbwire.requests.sender import Asked, RequestSender
from verbwire.testing.memory.engine_groups import MemoryEngineGroup
from verbwire.wire.keys import key_bytes, parse_key, window_key
from verbwire.wire.records.requests import SKIP


@dataclass(frozen=True)
class ParkedInMemory:
    """A key that cannot go on: how many of its records wait, and why the first cannot be handled."""

    records: int
    reason: str


class GroupStoppedError(AssertionError):
    """A handler of a table or a process raised, and its partition is stopped, as it would on a worker.

    The handler's exception is the cause. `stopped` of the project in memory names the groups from then on.
    """


class RecordParkedError(GroupStoppedError):
    """A handler of a table or a process raised: the record is parked, as it would on a worker, and later ones too.

    The handler's exception is the cause. Everything else has happened; `parked` of the project in memory tells what
    waits. It is raised once for each record that cannot be handled, not for those behind it.
    """


def require_running(group: MemoryEngineGroup) -> None:
    """Raise GroupStoppedError where a group is stopped."""
    if group.stopped:
        raise GroupStoppedError(group.stopped) from group.cause


def require_none_parked(group: MemoryEngineGroup) -> None:
    """Raise RecordParkedError where a record of a group was parked since this was asked last."""
    if (found := group.take_parked()) is not None:
        told = f"{group.name}: {place_of(found.record)} is parked: {found.reason}"
        raise RecordParkedError(told) from found.__cause__


class MemoryParking:
    """What operators do about parked records, to groups in memory."""

    def __init__(self, sender: RequestSender) -> None:
        self._sender = sender

    def keys(self, group: MemoryEngineGroup) -> dict[Any, ParkedInMemory]:
        """Return the keys of a group that are parked."""
        return {self._shown(group, key): _told(its) for key, its in group.parked_keys().items()}

    def ask(self, kind: str, group: MemoryEngineGroup, key: tuple[Any, ...], place: str = "", why: str = "") -> None:
        """Ask for a key of a group."""
        found = self._key(group, key)
        partition = group.store_reader.partition_of(found)
        self._sender.ask(group.name, [Asked(kind=kind, partition=partition, key=found, place=place)], "in-memory", why)

    def skip(self, group: MemoryEngineGroup, key: tuple[Any, ...], why: str) -> None:
        """Ask to skip the first record of a key."""
        found = self._key(group, key)
        for place in group.first_parked(found):
            self.ask(SKIP, group, key, place, why)

    def _key(self, group: MemoryEngineGroup, key: tuple[Any, ...]) -> bytes:
        found = key_bytes(key[0])
        return window_key(group.row, found, key[1]) if len(group.row.key) > 1 else found

    def _shown(self, group: MemoryEngineGroup, key: bytes) -> Any:
        parts = tuple(parse_key(group.row, key))
        return parts if len(parts) > 1 else parts[0]


def _told(its: ParkedKey) -> ParkedInMemory:
    return ParkedInMemory(its.records, its.reason)
