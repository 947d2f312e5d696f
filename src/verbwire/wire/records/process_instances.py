"""What is kept of a process instance beside its state: a header of the changelog record that holds the state.

So it costs no record of its own, is written and compacted with the state, and goes when that goes. It is JSON, and what
it does not know it leaves alone; an instance whose last step was taken before there was such a header has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

INSTANCE_HEADER = "vi_instance"
"""On each changelog record of a process: an :class:`InstanceRecord` as JSON. (``vw_`` are facts of the partition.)"""

MOST_WAITED = 100
"""Commands whose outcomes an instance waits for by name; of more it is kept how many."""


class Waited(NamedTuple):
    """A command without an outcome."""

    command: str  # full name of its contract
    since: int  # milliseconds since the epoch, by the broker's clock


class Received(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that an instance has received and not answered: what its outcome will name."""

    id: str
    command: str  # full name of its contract
    fingerprint: str  # hexadecimal
    partition: int
    offset: int
    reply: int | None = None  # the partition of the replies topic at which its sender waits
    flow: str | None = None
    traceparent: str | None = None
    process: str | None = (
        None  # hexadecimal: the key of the process instance that has sent it, where its id has no room
    )


class InstanceRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One instance; all times are milliseconds since the epoch, by the broker's clock as its worker knew it."""

    version: int = 1
    begun: int = 0  # 0: before this was kept
    flow: str = ""  # id of the message that started what began it
    step: str = ""  # its last one: ``on shop.orders.OrderPlaced``, ``outcome of ...``, ``due payment``
    at: int = 0
    steps: int = 0
    waits: dict[str, Waited] = {}  # by the command's id, without process and key
    unnamed: int = 0  # that it waits for besides
    due: dict[str, int] = {}  # deadline -> when
    held: dict[str, int] = {}  # those that were due, and are parked: behind what is, or since their handler raised
    heard: dict[str, str] = {}  # commands whose outcomes an operator has handed over: partition/offset of those
    received: Received | None = None  # that it has to answer
    trouble: str = ""  # why what an operator asked for at last could not be done

    @property
    def next_due(self) -> int | None:
        """When the first of its deadlines is due, None where it has none."""
        return min(self.due.values(), default=None)

    def without(self, deadline: str) -> InstanceRecord:
        """Return it without that deadline."""
        due = {name: at for name, at in self.due.items() if name != deadline}
        return replace(self, due=due, held={name: at for name, at in self.held.items() if name != deadline})

    def holding(self, deadline: str, at: int) -> InstanceRecord:
        """Return it with that deadline among those that are parked."""
        without = self.without(deadline)
        return replace(without, held={**without.held, deadline: at})

    def free(self) -> InstanceRecord:
        """Return it without all that it waits for: it was cancelled."""
        return replace(self, waits={}, unnamed=0, due={}, held={})

    def hearing(self, command: str, place: str) -> InstanceRecord:
        """Return it as it is when an operator hands over the outcome of a command, which stands at that place."""
        return replace(self, heard={**self.heard, command: place})

    def answered(self, command: str) -> InstanceRecord:
        """Return it as it is once the outcome of that command is there."""
        if command in self.waits:
            return replace(self, waits={each: since for each, since in self.waits.items() if each != command})
        return replace(self, unnamed=self.unnamed - 1) if self.unnamed else self

    def sent(self, commands: dict[str, Waited]) -> InstanceRecord:
        """Return it as it is once it waits for these, too."""
        if not commands:
            return self
        named = {**self.waits, **commands}
        kept = dict(list(named.items())[:MOST_WAITED])
        return replace(self, waits=kept, unnamed=self.unnamed + len(named) - len(kept))


def write_instance(record: InstanceRecord) -> bytes:
    """Return the value of the header."""
    return _ENCODER.encode(record)


def received_mark(command_id: str) -> bytes:
    """Return what stands in the header's value while an instance has to answer that command."""
    return b'"received":{"id":' + _ENCODER.encode(command_id) + b","


def version_of(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """Return the version of the process that an instance is of, by the headers of its changelog record."""
    found = next((read_instance(value) for name, value in headers if name == INSTANCE_HEADER), None)
    return (found or InstanceRecord()).version


def read_instance(value: bytes | None) -> InstanceRecord | None:
    """Return what a header's value says; None where there is none, or none of ours."""
    try:
        return _DECODER.decode(value) if value else None
    except msgspec.DecodeError:
        return None


_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(InstanceRecord)
