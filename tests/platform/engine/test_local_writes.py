"""When the local copies get what was committed: at once, or several large transactions in one go, and never a part."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verbwire.engine.state.changes import DedupEntry, StoreChanges
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.transactions import local_writes
from verbwire.engine.transactions.local_writes import LARGE, LocalWrites
from verbwire.engine.transactions.transaction import Transaction


class Copies:
    """Two partitions' copies, and what is told of the transactions that they have got."""

    def __init__(self, folder: Path, patient: bool = True) -> None:
        self.stores = {partition: PartitionStore(folder / f"{partition}.db") for partition in range(2)}
        self.told: list[object] = []
        self.writes = LocalWrites(patient, lambda transaction, _: self.told.append(transaction))

    def take(self, rows: dict[str, str | None], records: int = LARGE, **more: Any) -> Transaction:
        """Take a transaction that changes these rows of both partitions; `more` of its changes, or hooks."""
        hooks: list[Callable[[], None]] = more.pop("hooks", [])
        changed: dict[bytes, Any] = {k.encode(): None if v is None else (v.encode(),) for k, v in rows.items()}
        transaction: Any = SimpleNamespace(
            changes={partition: StoreChanges(rows=changed, **more) for partition in self.stores},
            caches={partition: SimpleNamespace(store=store) for partition, store in self.stores.items()},
            records=records,
            after_commit=hooks,
            written=threading.Event(),
        )
        self.writes.take(transaction, 0.1)
        return transaction  # type: ignore[no-any-return]

    def there(self) -> dict[str, str]:
        """Return the rows of the first copy, once both are known to be alike."""
        first, second = (dict(store.items()) for store in self.stores.values())
        assert first == second
        return {key.decode(): value.decode() for key, value in first.items()}


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Copies]:
    made = Copies(tmp_path)
    yield made
    for store in made.stores.values():
        store.close()


def test_large_transactions_wait_for_a_small_one_and_are_written_together(copies: Copies) -> None:
    first = copies.take({"a": "1", "b": "1"}, positions={"rows": 2}, inputs={"t": 2}, facts={"f": b"1"}, time=7)
    second = copies.take({"a": "2", "b": None, "c": "2"}, positions={"rows": 5}, inputs={"u": 3}, time=5)
    copies.writes.then(lambda: copies.told.append("read on"))
    assert (copies.there(), copies.told, first.written.is_set()) == ({}, [], False)
    assert copies.stores[0].position("rows") == 0, "a copy says what it has"
    last = copies.take({"d": "3"}, records=LARGE - 1, positions={"rows": 6}, facts={"g": b"3"})
    assert copies.there() == {"a": "2", "c": "2", "d": "3"}
    assert copies.told == [first, second, "read on", last]
    store = copies.stores[1]
    assert (store.position("rows"), store.inputs(), store.time()) == (6, {"t": 2, "u": 3}, 7)
    assert store.facts() == {"f": b"1", "g": b"3"}
    assert all(each.written.is_set() for each in (first, second, last))


def test_what_waits_is_written_once_it_is_much_or_has_waited_for_long(
    copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_writes, "WAIT_SECONDS", 0.0)
    copies.take({"a": "1"})
    assert copies.there() == {"a": "1"}
    monkeypatch.setattr(local_writes, "WAIT_SECONDS", 3600.0)
    copies.take({"a": "2"})
    assert copies.there() == {"a": "1"}
    copies.take({f"{number}": "x" * 1_000_000 for number in range(10)})
    assert copies.there()["a"] == "2"


@pytest.mark.parametrize("what", ["hooks", "answers", "forgotten"])
def test_what_somebody_waits_for_or_cannot_be_merged_is_written_at_once(copies: Copies, what: str) -> None:
    before = copies.take({"a": "1"})
    hook = lambda: copies.told.append("hook")  # noqa: E731
    more: Any = {"hooks": [hook], "answers": {"id": DedupEntry(b"f", b"o", 1)}, "forgotten": ["t"]}[what]
    after = copies.take({"a": "2"}, **{what: more})
    assert copies.there() == {"a": "2"}
    assert copies.told == [before, *(["hook"] if what == "hooks" else []), after]


def test_groups_that_are_looked_up_in_their_copies_write_each_transaction(tmp_path: Path) -> None:
    copies = Copies(tmp_path, patient=False)
    copies.take({"a": "1"})
    assert copies.there() == {"a": "1"}
    for store in copies.stores.values():
        store.close()


def test_a_local_write_that_fails_tells_nothing_and_keeps_nothing(copies: Copies) -> None:
    copies.take({"a": "1"}, positions={"rows": 2})
    for store in copies.stores.values():
        store.close()
    with pytest.raises(Exception, match="closed"):
        copies.writes.write()
    copies.writes.write()
    assert copies.told == []
