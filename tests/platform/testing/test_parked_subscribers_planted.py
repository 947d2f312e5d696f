"""The proof that the proof of subscribers' parking can fail: each planted bug is found; without it nothing is wrong."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.kit.samples.office.parcels import ParcelArrived
from tests.kit.subscribers import CATALOG
from verbwire import Parking, Subscriber
from verbwire.subscribers.parked_index import ParkedAt, ParkedIndex
from verbwire.subscribers.parking import SubscriberParking
from verbwire.testing import GroupStoppedError, InMemory, RecordParkedError
from verbwire.testing.memory.subscriber_groups import MemorySubscriberGroup

NAME = "office.first"
LIMIT = 2
Patch = Callable[[Any, str, Any], None]


def overtaking(patch: Patch) -> None:
    """A later record of a parked key is handled."""
    patch(SubscriberParking, "hold", lambda *_: None)


def losing(patch: Patch) -> None:
    """What is parked is remembered, and written nowhere: a kill loses it."""

    def put(self: Any, keys: ParkedIndex, partition: int, key: bytes, number: int, parked: Any) -> None:
        keys.put(key, number, ParkedAt(0, parked.since))

    patch(SubscriberParking, "_put", put)


def forgetting(patch: Patch) -> None:
    """A new owner does not look which keys are parked."""
    patch(SubscriberParking, "_read", lambda *_: ParkedIndex())


def backwards(patch: Patch) -> None:
    """A retry begins with the last record."""
    records = SubscriberParking.records

    def reverse(self: SubscriberParking, partition: int, key: bytes) -> Iterator[Any]:
        return reversed([*records(self, partition, key)])

    patch(SubscriberParking, "records", reverse)


def unlimited(patch: Patch) -> None:
    """The limit of keys is not looked at."""
    patch(SubscriberParking, "_full", lambda *_: None)


BUGS = {each.__name__: each for each in (overtaking, losing, forgetting, backwards, unlimited)}


def faults(seed: int) -> set[str]:
    """Let parcels arrive, some of which cannot be handled at first, while workers restart; return what is wrong."""
    chance, broken, skipped = random.Random(seed), set[int](), set[int]()  # noqa: S311 (no secret)
    sent, seen, found = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list), set[str]()
    group = Subscriber(NAME, retries=0, parking=Parking(keys=LIMIT, records=1000))

    @group.on
    def arrived(event: ParcelArrived) -> None:
        if event.number in broken:
            raise RuntimeError("not yet")
        seen[event.parcel_id].append(event.number)

    with InMemory(group, catalog=CATALOG) as office:
        running = office._groups[NAME]
        assert isinstance(running, MemorySubscriberGroup)
        assert running.parked is not None

        def quietly(do: Callable[..., object], *arguments: object) -> None:
            with suppress(RecordParkedError, GroupStoppedError):
                do(*arguments)

        for number in range(1, 150):
            name = f"p{chance.randrange(8)}"
            sent[name].append(number)
            if chance.random() < 0.15:
                broken.add(number)
            quietly(office.publish, ParcelArrived(parcel_id=name, number=number, how=""))
            parked = sorted(office.parked(group))
            found |= {"beyond the limit"} if len(parked) > LIMIT else set()
            if parked and chance.random() < 0.2:
                key = chance.choice(parked)
                if chance.random() < 0.3:
                    skipped.add(next(each for each in sent[key] if each not in {*seen[key], *skipped}))
                    quietly(office.skip_parked, group, key)
                else:
                    broken -= set(sent[key])
                    quietly(office.retry_parked, group, key)
                quietly(office.advance, 10)
            if chance.random() < 0.1:
                running.parked.restart()
        broken.clear()
        while not found and (parked := sorted(office.parked(group))):
            for key in parked:
                quietly(office.retry_parked, group, key)
            quietly(office.advance, 10)
    for name, numbers in sent.items():
        expected = [each for each in numbers if each not in skipped]
        found |= {"order"} if seen[name] != sorted(seen[name]) else set()
        found |= {"lost"} if set(expected) - set(seen[name]) else set()
    return found


def test_parking_of_a_subscriber_at_random_loses_nothing_and_keeps_the_order() -> None:
    assert [faults(seed) for seed in range(4)] == [set()] * 4


@pytest.mark.parametrize(
    ("bug", "kind"),
    [
        ("overtaking", "order"),
        ("losing", "lost"),
        ("forgetting", "lost"),
        ("backwards", "order"),
        ("unlimited", "beyond the limit"),
    ],
)
def test_parking_of_a_subscriber_with_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, bug: str, kind: str
) -> None:
    BUGS[bug](monkeypatch.setattr)
    assert kind in faults(0)
