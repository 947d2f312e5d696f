"""One log of one partition that is to be restored, and what of it could not be read or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.topology import Log

_UNREADABLE = 1000  # records, beyond which it makes no sense to look for later ones of their keys


class RestoredCopy(Protocol):
    """Takes what the logs of a partition hold: its copy, or the load of a new one."""

    def position(self, log: str) -> int:
        """Return the offset in `log` from which it has to be brought up to date."""
        ...

    def facts(self) -> Mapping[str, bytes]:
        """Return the facts about the partition as a whole."""
        ...

    def apply(self, changes: StoreChanges) -> None:
        """Write all of it, or nothing."""
        ...


@dataclass
class ChangelogTask:
    """One log of one partition: read from where the copy is, up to `end`."""

    log: Log
    partition: int
    store: RestoredCopy
    start: int
    end: int
    refused: str | None = None  # why it was given up: rows that this code must not take, or cannot read
    failure: Exception | None = None  # why it was given up for now: the copy cannot be written
    unreadable: dict[bytes, str] = field(default_factory=dict)  # key -> what is wrong with its last record so far

    def note(self, key: bytes, problem: str) -> None:
        """Note that the last record of a key cannot be read; a later one may mend that."""
        self.unreadable[key] = problem
        if len(self.unreadable) > _UNREADABLE:
            self.end_here()

    def is_given_up(self) -> bool:
        """Whether no more of it is read."""
        return self.refused is not None or self.failure is not None

    def end_here(self) -> None:
        """Give up where something that cannot be read is the last of its key."""
        if self.unreadable and not self.refused:
            self.refused = (
                f"{next(iter(self.unreadable.values()))}. A worker whose code reads it goes on by itself; else write "
                "a record of that key that can be read, or one without a value, into that partition, and start again"
            )
