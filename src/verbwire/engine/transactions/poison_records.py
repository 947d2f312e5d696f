"""Finds the poison record: the one that makes a group's transactions fail again and again.

Outages do not come here. Any other failure makes all records of the transaction suspects. A place that fails twice gets
transactions of its own, so that its neighbours go on; these are halved until one record is left, and the partition
stops at that. A place that gets past its failure is cleared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from verbwire.errors import UnavailableError

TOGETHER = 2  # failures, until a suspect gets transactions of its own
FINALLY = 2  # failures of one record alone, until it is to blame
Place: TypeAlias = tuple[str, int]  # topic and partition


@dataclass(frozen=True, slots=True)
class RecordRange:
    """Records of one place that a transaction dealt with."""

    first: int
    until: int  # behind the last
    records: int


class FailedTransaction(UnavailableError):  # noqa: N818 (the group starts over, as after an outage; what for, is found out)
    """A transaction failed, perhaps through the fault of a record; `suspects` are those that it dealt with.

    `any_record`: what failed was not one of them (a permission), so that looking for one would only take time.
    """

    def __init__(self, text: str, suspects: Mapping[Place, RecordRange], any_record: bool = False) -> None:
        super().__init__(text)
        self.suspects = suspects
        self.any_record = any_record


@dataclass(slots=True)
class _Suspicion:
    until: int  # cleared behind it
    failures: int = 0
    limit: int | None = None  # of records in a transaction, in which nothing else is; None: with the others
    alone: int = 0  # failures of the one record at `first`
    first: int = -1


class PoisonRecordFinder:
    """Keeps the suspected partitions, and the poison records that were found. Belongs to the engine's thread."""

    def __init__(self) -> None:
        self._suspicions: dict[Place, _Suspicion] = {}
        self._found: dict[int, tuple[Place, int, str]] = {}  # partition -> where, and why
        self._skipped: set[tuple[Place, int]] = set()  # records that an operator has decided about, once

    def failed(self, failure: FailedTransaction) -> None:
        """Note that a transaction failed."""
        single = len(failure.suspects) == 1
        for place, record_range in failure.suspects.items():
            known = self._suspicions.setdefault(place, _Suspicion(record_range.until))
            known.until = max(known.until, record_range.until)
            known.failures += 1
            if known.failures < TOGETHER:
                continue
            if failure.any_record:
                known.limit = 1
            else:
                known.limit = (
                    record_range.records if known.limit is None else max(1, min(known.limit, record_range.records) // 2)
                )
            if single and record_range.records == 1:
                known.alone = known.alone + 1 if known.first == record_range.first else 1
                known.first = record_range.first
            if known.alone >= FINALLY:
                self._found[place[1]] = (place, record_range.first, str(failure))

    def progressed(self, place: Place, position: int) -> None:
        """Everything before `position` is dealt with."""
        known = self._suspicions.get(place)
        if known is not None and position >= known.until:
            del self._suspicions[place]

    def found(self, place: Place, position: int, why: str) -> None:
        """Note that the record at this position is to blame, as another part of the engine has found out."""
        self._found[place[1]] = (place, position, why)

    def blamed(self, partition: int) -> tuple[str, int] | None:
        """Return topic and offset of the record at which a partition stands, None where there is none."""
        found = self._found.get(partition)
        return None if found is None else (found[0][0], found[1])

    def skip(self, partition: int) -> bool:
        """Let a partition go on, whose record is skipped; not a second time, where that has not helped."""
        place, offset, _ = self._found[partition]
        if (place, offset) in self._skipped:
            return False
        self._skipped.add((place, offset))
        del self._found[partition]
        self._suspicions.pop(place, None)
        return True

    def limit(self, place: Place) -> int | None:
        """Return how many records of a place may be in a transaction, alone there; None: as many as have room."""
        known = self._suspicions.get(place)
        return None if known is None else known.limit

    def has_suspects(self) -> bool:
        """Whether there are any."""
        return bool(self._suspicions)

    def reason_to_stop(self, partition: int, positions: Mapping[str, int]) -> str | None:
        """Return why a partition must stop that would read on at these positions, None where it need not."""
        if partition not in self._found:
            return None
        (topic, _), offset, why = self._found[partition]
        if positions.get(topic, 0) > offset:  # an operator has set the offset behind it
            del self._found[partition]
            self._suspicions.pop((topic, partition), None)
            return None
        return (
            f"stopped at {topic}/{partition}/{offset}, which has failed again and again, alone: {why}. "
            "Mend that, and start the worker again"
        )
