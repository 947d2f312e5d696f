"""One partition of a group in memory: rows decoded, ids answered, on top of the local store.

What a transaction under way has changed is found here first. The caches have two generations, each several times
the size of a batch, and the elder is dropped only when a batch begins. At most two transactions are under way, so
what the store does not hold yet is always still here: an uncommitted change cannot be lost to eviction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from verbwire.engine.store import Store
from verbwire.errors import UndecodableError
from verbwire.messages import Row

GENERATION = 50_000  # entries; two generations of decoded rows and of ids are kept a partition
K = TypeVar("K")
V = TypeVar("V")


class Generations(Generic[K, V]):
    """A cache that forgets what was not touched for a whole generation."""

    def __init__(self) -> None:
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def turn(self, size: int = GENERATION) -> None:
        """Let the elder generation go when the younger is full. Only between batches."""
        if len(self._young) >= size:
            self._old, self._young = self._young, {}

    def unknown(self, keys: Iterable[K]) -> list[K]:
        """Return those of the keys that are not here; the others are kept for another generation."""
        missing: list[K] = []
        for key in set(keys):
            if key not in self._young:
                if key in self._old:
                    self._young[key] = self._old[key]
                else:
                    missing.append(key)
        return missing

    def __getitem__(self, key: K) -> V:
        return self._young[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._young[key] = value


class Shard:
    """Rows and answered ids of one partition. Belongs to the engine's thread."""

    def __init__(
        self,
        partition: int,
        store: Store,
        decode: Callable[[bytes], Row],
        inputs: dict[str, int],
        time: int | None = None,
        facts: Mapping[str, bytes] | None = None,
    ) -> None:
        self.partition = partition
        self.store = store
        self.next = inputs  # input topic -> the offset expected next
        self.time = time  # the newest event time, microseconds since the epoch, in a table of windows
        # What is true of the whole partition, by the name of a header: written with the last changelog record of each
        # batch, so that it moves, and is restored, with the rows. `told` is what stands there already.
        self.facts: dict[str, bytes] = dict(facts or {})
        self.told: Mapping[str, bytes] = dict(self.facts)
        self.dirty: dict[bytes, Row | None] = {}  # changed by the transaction being built
        self._decode = decode
        self._rows: Generations[bytes, Row | None] = Generations()
        self._answers: Generations[str, bytes | None] = Generations()

    def begin(self, keys: Iterable[bytes], ids: Iterable[str] = ()) -> None:
        """Make a batch's rows and ids known, with one question to the store each."""
        self.dirty = {}
        self._rows.turn()
        self._answers.turn()
        self.load(keys)
        if unknown := self._answers.unknown(ids):
            answers = self.store.answers(unknown)
            for name in unknown:
                self._answers[name] = (answers[name].fingerprint or None) if name in answers else None

    def load(self, keys: Iterable[bytes]) -> None:
        """Make more rows known, in the midst of a batch."""
        if missing := self._rows.unknown(keys):
            found = self.store.get(missing)
            for key in missing:
                value = found.get(key)
                self._rows[key] = None if value is None else self._read(key, value)

    def _read(self, key: bytes, value: bytes) -> Row:
        try:
            return self._decode(value)
        except UndecodableError as error:
            raise UndecodableError(f"the row of the key {key[:80]!r} cannot be read: {error}") from error

    def get(self, key: bytes) -> Row | None:
        """Return the row as this batch has left it."""
        return self._rows[key]

    def put(self, key: bytes, row: Row | None) -> None:
        """Change or delete (None) a row."""
        self._rows[key] = row
        self.dirty[key] = row

    def answered(self, command_id: str) -> bytes | None:
        """Return the fingerprint of the command that was answered under this id for good, None if there was none."""
        return self._answers[command_id]

    def remember(self, command_id: str, fingerprint: bytes) -> None:
        """Note that this id is answered for good."""
        self._answers[command_id] = fingerprint
