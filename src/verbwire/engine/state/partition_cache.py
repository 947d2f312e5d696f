"""Caches one partition in memory: decoded rows and answered ids, in front of the local store.

What a batch needs is fetched when it begins, and is its own until it ends. What transactions under way have changed is
not in the store yet: it is looked for in them, so that it does not matter what the caches let go, and when.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from verbwire.engine.state.beside import Beside
from verbwire.engine.state.cache_budget import BUDGET, Budget, Cache
from verbwire.engine.state.parked import PARKED_FACT, ParkedKeys
from verbwire.engine.state.row_sizes import RowExpansion
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UndecodableError
from verbwire.messages import Stored

_ID = 150  # bytes: an id and the fingerprint of its command


class _UnderWay(NamedTuple):
    """What one batch has changed, until the store has it."""

    written: threading.Event
    rows: Mapping[bytes, Stored | None]
    answers: Mapping[str, bytes]


class PartitionCache:
    """Rows and answered ids of one partition. Belongs to the engine's thread."""

    def __init__(
        self,
        partition: int,
        store: PartitionStore,
        decode: Callable[[bytes], Stored],
        inputs: dict[str, int],
        time: int | None = None,
        facts: Mapping[str, bytes] | None = None,
        budget: Budget = BUDGET,
        beside: Beside | None = None,
    ) -> None:
        self.partition = partition
        self.store = store
        self.next = inputs  # input topic -> the offset expected next
        self.time = time  # the newest event time, microseconds since the epoch, in a table of windows
        # What is true of the whole partition, by the name of a header: written with the last changelog record of each
        # batch, so that it moves, and is restored, with the rows. `written_facts` stand there already.
        self.facts: dict[str, bytes] = dict(facts or {})
        self.written_facts: Mapping[str, bytes] = dict(self.facts)
        self.parked = ParkedKeys(store.parked_keys() if int(self.facts.get(PARKED_FACT, 0)) else {})
        self.dirty: dict[bytes, Stored | None] = {}  # changed by the batch
        self._decode = decode
        self._beside = beside
        self._rows: dict[bytes, Stored | None] = {}  # of the batch
        self._answers: dict[str, bytes | None] = {}
        self._read: dict[bytes, int] = {}  # those that were read from the store, and how long their records are
        self._asked: dict[str, int] = {}
        self._remembered: dict[str, bytes] = {}
        self._under_way: list[_UnderWay] = []
        self._expansion = RowExpansion()
        self._kept_rows: Cache[bytes, Stored | None] = Cache(budget)
        self._kept_answers: Cache[str, bytes | None] = Cache(budget)

    def begin(self, keys: Iterable[bytes], ids: Iterable[str] = ()) -> None:
        """Load a batch's rows and ids into the cache, with one store query each."""
        self.dirty, self._rows, self._read = {}, {}, {}
        self._answers, self._asked, self._remembered = {}, {}, {}
        self._under_way = [each for each in self._under_way if not each.written.is_set()]
        self.load(keys)
        self._load_answers(set(ids))

    def load(self, keys: Iterable[bytes]) -> None:
        """Load more rows, in the midst of a batch."""
        rows = self._rows
        unknown = self._kept_rows.find({key for key in keys if key not in rows}, rows)
        missing = [key for key in unknown if not self._is_under_way(key)] if self._under_way else unknown
        if missing and self._beside is not None:
            self._load_joined(missing, self._beside)
        elif missing:
            found = self.store.get(missing)
            for key in missing:
                value = found.get(key)
                rows[key] = None if value is None else self._decoded(key, value)
                self._read[key] = 0 if value is None else len(value)

    def _load_joined(self, missing: list[bytes], beside: Beside) -> None:
        found = self.store.get_beside(missing, beside.column)
        for key in missing:
            value, more = found.get(key, (None, None))
            self._rows[key] = None if value is None else beside.join(self._decoded(key, value), more)
            self._read[key] = 0 if value is None else len(value) + len(more or b"")

    def _is_under_way(self, key: bytes) -> bool:
        for each in reversed(self._under_way):
            if key in each.rows:
                self._rows[key] = each.rows[key]
                return True
        return False

    def _decoded(self, key: bytes, value: bytes) -> Stored:
        try:
            return self._decode(value)
        except UndecodableError as error:
            raise UndecodableError(f"the row of the key {key[:80]!r} cannot be read: {error}") from error

    def _load_answers(self, ids: set[str]) -> None:
        unknown = self._kept_answers.find(ids, self._answers)
        for each in self._under_way:  # an id is answered once
            self._answers.update((name, each.answers[name]) for name in unknown if name in each.answers)
        if missing := [name for name in unknown if name not in self._answers]:
            found = self.store.answers(missing)
            for name in missing:
                self._answers[name] = (found[name].fingerprint or None) if name in found else None
                self._asked[name] = _ID

    def get(self, key: bytes) -> Stored | None:
        """Return the row as this batch has left it."""
        return self._rows[key]

    def put(self, key: bytes, row: Stored | None) -> None:
        """Change or delete (None) a row."""
        self._rows[key] = row
        self.dirty[key] = row

    def parked_records(self, key: bytes, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return the first parked records of a key, up to `limit`, as this batch has left them: number and value."""
        its = self.parked.standing.get(key)
        if its is None:
            return ()
        numbers = range(its.first, min(its.next, its.first + limit))
        return [*self.parked.ahead(self.store.parked(key, its.first, limit), key, numbers)]

    def decided_fingerprint(self, command_id: str) -> bytes | None:
        """Return the fingerprint of the command that was decided for good under this id, None if there was none."""
        return self._answers[command_id]

    def mark_decided(self, command_id: str, fingerprint: bytes) -> None:
        """Note that this id is decided for good."""
        self._answers[command_id] = self._remembered[command_id] = fingerprint
        self._asked[command_id] = _ID

    def end(self, rows: Mapping[bytes, tuple[Any, ...] | None], written: threading.Event) -> None:
        """Keep for later batches what this one has read and changed, as `rows` has it, the record's value first.

        `written` will be set once the store has it.
        """
        self._under_way.append(_UnderWay(written, self.dirty, self._remembered))
        records = self._read
        for key in self.dirty:
            row = rows[key]
            records[key] = 0 if row is None else len(row[0])
        if not records and not self._asked:
            return
        for key, record in records.items():  # one will do
            if record:
                self._expansion.learn(self._rows[key], record)
            break
        rate = self._expansion.rate()
        self._kept_rows.keep(self._rows, {key: len(key) + int(record * rate) for key, record in records.items()})
        self._kept_answers.keep(self._answers, self._asked)

    def close(self) -> None:
        """Close the copy, and let go of what is in memory."""
        self._kept_rows.close()
        self._kept_answers.close()
        self.store.close()
