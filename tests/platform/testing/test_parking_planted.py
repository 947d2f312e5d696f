"""The proof that the proof of parking can fail: each bug, planted in the engine, is found; without it all is exact."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit.bank import CATALOG
from tests.kit.bank_tills import OWNERS
from tests.kit.samples.bank.tills import CoinsMoved, OwnerRow
from verbwire import Parking, Table
from verbwire.engine.processors.parking import RecordParking
from verbwire.engine.processors.table import TableProcessor
from verbwire.testing import GroupStoppedError, InMemory, RecordParkedError

NOW = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
Patch = Callable[[Any, str, Any], None]


def overtaking(patch: Patch) -> None:
    """A later record of a parked key is handled before those that wait."""
    patch(TableProcessor, "_hold", TableProcessor._apply)


def twice(patch: Patch) -> None:
    """A retry handles each record twice, as one would whose transaction is repeated without a fence."""
    again = TableProcessor.again

    def do_twice(*what: Any) -> None:
        again(*what)
        again(*what)

    patch(TableProcessor, "again", do_twice)


def forgetting(patch: Patch) -> None:
    """It is not remembered which keys are parked, as after a restart that did not look."""
    stand = RecordParking._stand

    def forget(self: RecordParking, cache: Any, key: bytes, its: Any, transaction: Any) -> None:
        stand(self, cache, key, its, transaction)
        cache.parked.standing = {}

    patch(RecordParking, "_stand", forget)


def losing(patch: Patch) -> None:
    """A record that waits is counted as read and written nowhere."""
    patch(RecordParking, "hold", lambda *_: None)


def unlimited(patch: Patch) -> None:
    """The limit of keys is not looked at."""
    park = RecordParking.park

    def park_all(self: RecordParking, *what: Any) -> None:
        self.limits = Parking(keys=1000, records=1000)
        park(self, *what)

    patch(RecordParking, "park", park_all)


BUGS = {each.__name__: each for each in (overtaking, twice, forgetting, losing)}


def faults(seed: int) -> set[str]:
    """Move coins of a few owners, some of which cannot be handled at first; return what is wrong at the end."""
    chance, broken, skipped = random.Random(seed), set[int](), set[int]()  # noqa: S311 (no secret)
    table: Table[OwnerRow] = Table(OWNERS, row=OwnerRow, parking=Parking(keys=20, records=1000))

    @table.rekeys
    def owner(event: CoinsMoved) -> str | None:
        return event.owner

    @table.on
    def moved(row: OwnerRow | None, event: CoinsMoved) -> OwnerRow:
        if event.pence in broken:
            raise RuntimeError("not yet")
        row = row or OwnerRow(owner=event.owner or "")
        return replace(row, pence=row.pence + event.pence, seen=(*row.seen, str(event.pence)))

    sent: dict[str, list[int]] = defaultdict(list)
    with InMemory(table, catalog=CATALOG, partitions=2, now=NOW) as tills:

        def quietly(do: Callable[[], object]) -> None:
            with suppress(RecordParkedError):
                do()

        for number in range(1, 120):
            name = f"o{chance.randrange(6)}"
            sent[name].append(number)
            if chance.random() < 0.1:
                broken.add(number)
            quietly(lambda: tills.publish(CoinsMoved(till_id="t", owner=name, pence=number, moved_at=NOW)))  # noqa: B023
            if (parked := sorted(tills.parked(table))) and chance.random() < 0.2:
                key = chance.choice(parked)
                if chance.random() < 0.3:
                    row = tills.row(table, key)
                    done = {int(each) for each in (row.seen if row else ())}
                    skipped.add(next(each for each in sent[key] if each not in done | skipped))
                    quietly(lambda: tills.skip_parked(table, key))  # noqa: B023
                else:
                    broken -= set(sent[key])
                    quietly(lambda: tills.retry_parked(table, key))  # noqa: B023
        broken.clear()
        for key in sorted(tills.parked(table)):
            quietly(lambda: tills.retry_parked(table, key))  # noqa: B023
        rows = tills.rows(table)
        found = {"left"} if tills.parked(table) else set[str]()
    for name, numbers in sent.items():
        seen = [int(each) for each in rows[name].seen] if name in rows else []
        expected = [each for each in numbers if each not in skipped]
        found |= {"order"} if seen != sorted(seen) else set()
        found |= {"twice"} if len(seen) != len(set(seen)) else set()
        found |= {"lost or skipped"} if set(seen) != set(expected) else set()
    return found


def test_parking_at_random_is_exact() -> None:
    assert [faults(seed) for seed in range(3)] == [set()] * 3


@pytest.mark.parametrize(
    ("bug", "kind"),
    [("overtaking", "order"), ("twice", "twice"), ("forgetting", "lost or skipped"), ("losing", "lost or skipped")],
)
def test_parking_with_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, bug: str, kind: str) -> None:
    BUGS[bug](monkeypatch.setattr)
    assert kind in faults(0)


def beyond_the_limit() -> set[Any]:
    """Let three keys fail where two may be parked; return those that are parked."""
    table: Table[OwnerRow] = Table(OWNERS, row=OwnerRow, parking=Parking(keys=2, records=1000))

    @table.rekeys
    def owner(event: CoinsMoved) -> str | None:
        return event.owner

    @table.on
    def moved(row: OwnerRow | None, event: CoinsMoved) -> OwnerRow:
        raise RuntimeError("never")

    with InMemory(table, catalog=CATALOG, now=NOW) as tills:
        for name in ("ann", "bob", "cid"):
            with suppress(GroupStoppedError):
                tills.publish(CoinsMoved(till_id="t", owner=name, pence=1, moved_at=NOW))
        return {*tills.parked(table)}


def test_parking_has_a_limit_of_keys_and_one_that_is_not_looked_at_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert beyond_the_limit() == {"ann", "bob"}
    unlimited(monkeypatch.setattr)
    assert beyond_the_limit() == {"ann", "bob", "cid"}
