"""Subscribers that park, as users test them: in memory, with handlers that are mended meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from tests.kit.bank import CATALOG as BANK
from tests.kit.samples.bank.jars import CoinsPut
from tests.kit.samples.bank.tills import CoinsMoved
from tests.kit.samples.office.parcels import ParcelArrived
from tests.kit.subscribers import CATALOG
from verbwire import Parking, Subscriber, SubscriberContext
from verbwire.errors import ConfigurationError
from verbwire.testing import GroupStoppedError, InMemory, RecordParkedError

NAME = "office.first"
FEW = Parking(keys=2, records=6)


@dataclass
class Shelf:
    """What was put on a shelf, which lacks some boards until it is mended."""

    missing: set[int] = field(default_factory=set)
    put: list[tuple[str, int]] = field(default_factory=list)

    def subscriber(self, parking: Parking | None = FEW, retries: int = 1) -> Subscriber:
        group = Subscriber(NAME, retries=retries, parking=parking)

        @group.on
        def arrived(event: ParcelArrived, context: SubscriberContext) -> None:
            if event.number in self.missing:
                raise RuntimeError(f"no board {event.number}, attempt {context.attempt}")
            self.put.append((event.parcel_id, event.number))

        return group

    def numbers(self, parcel: str) -> list[int]:
        return [number for key, number in self.put if key == parcel]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({2})


@pytest.fixture
def group(shelf: Shelf) -> Subscriber:
    return shelf.subscriber()


@pytest.fixture
def office(group: Subscriber) -> Iterator[InMemory]:
    with InMemory(group, catalog=CATALOG, partitions=3) as project:
        yield project


def arrive(office: InMemory, parcel: str, *numbers: int) -> None:
    for number in numbers:
        office.publish(ParcelArrived(parcel_id=parcel, number=number, how=""))


def park(office: InMemory, parcel: str, number: int) -> None:
    with pytest.raises(RecordParkedError):
        arrive(office, parcel, number)


def test_a_subscriber_that_parks_keeps_later_events_of_a_key_behind_and_others_go_on(
    office: InMemory, group: Subscriber, shelf: Shelf
) -> None:
    arrive(office, "a", 1)
    with pytest.raises(RecordParkedError, match=r"is parked: .*no board 2, attempt 2") as caught:
        arrive(office, "a", 2)
    assert isinstance(caught.value.__cause__, RuntimeError)
    arrive(office, "a", 3, 4)
    arrive(office, "b", 5)
    assert shelf.put == [("a", 1), ("b", 5)]
    assert {key: its.records for key, its in office.parked(group).items()} == {"a": 3}
    assert "no board 2" in office.parked(group)["a"].reason
    assert office.dead_letters == []
    with pytest.raises(RecordParkedError, match="no board 2, attempt 3"):
        office.retry_parked(group, "a")
    shelf.missing = {4}
    with pytest.raises(RecordParkedError, match="no board 4"):
        office.retry_parked(group, "a")
    assert shelf.numbers("a") == [1, 2, 3]
    assert office.parked(group)["a"].records == 1
    shelf.missing = set()
    office.retry_parked(group, "a")
    arrive(office, "a", 6)
    assert shelf.numbers("a") == [1, 2, 3, 4, 6]
    assert office.parked(group) == {}


def test_a_parked_event_of_a_subscriber_may_be_skipped(office: InMemory, group: Subscriber, shelf: Shelf) -> None:
    park(office, "a", 2)
    arrive(office, "a", 3, 4)
    office.skip_parked(group, "a", why="of last year")
    assert shelf.numbers("a") == [3, 4]
    (letter,) = office.dead_letters
    assert (letter.reason, letter.detail) == ("skipped", "in-memory says to skip it: of last year")
    shelf.missing = {5, 7}
    park(office, "a", 5)
    arrive(office, "a", 6, 7, 8)
    with pytest.raises(RecordParkedError, match="no board 7"):
        office.skip_parked(group, "a")  # the next but one fails
    assert shelf.numbers("a") == [3, 4, 6]
    assert office.parked(group)["a"].records == 2


def test_a_subscriber_parks_no_more_keys_than_it_says_and_then_waits(group: Subscriber, shelf: Shelf) -> None:
    with InMemory(group, catalog=CATALOG) as one:
        for parcel in ("a", "b"):
            park(one, parcel, 2)
        with pytest.raises(GroupStoppedError, match="2 keys are parked already") as caught:
            arrive(one, "c", 2)
        assert type(caught.value) is GroupStoppedError
        assert [*one.stopped] == [NAME]
        arrive(one, "c", 3)
        assert shelf.numbers("c") == []
        one.skip_parked(group, "a")
        with pytest.raises(RecordParkedError):
            one.advance(10)  # there is room for it now
        assert one.stopped == {}
        assert {key: its.records for key, its in one.parked(group).items()} == {"b": 1, "c": 2}
        shelf.missing = set()
        one.retry_parked(group, "c")
        assert shelf.numbers("c") == [2, 3]


def test_a_subscriber_parks_no_more_records_than_it_says_and_a_retry_makes_room(
    group: Subscriber, shelf: Shelf
) -> None:
    with InMemory(group, catalog=CATALOG) as office:
        park(office, "a", 2)
        arrive(office, "a", *range(3, 8))
        with pytest.raises(GroupStoppedError, match="6 records are parked already"):
            arrive(office, "a", 9)
        shelf.missing = set()
        office.retry_parked(group, "a")
        office.advance(10)
        assert shelf.numbers("a") == [2, 3, 4, 5, 6, 7, 9]


def test_a_subscriber_without_parking_has_dead_letters_and_later_events_go_on(shelf: Shelf) -> None:
    group = shelf.subscriber(parking=None)
    with InMemory(group, catalog=CATALOG) as office:
        arrive(office, "a", 1, 2, 3)
        assert shelf.numbers("a") == [1, 3]
        assert [each.reason for each in office.dead_letters] == ["failed"]
        with pytest.raises(ConfigurationError, match="parks nothing"):
            office.retry_parked(group, "a")


def test_a_subscriber_parks_the_keys_of_each_namespace_for_themselves() -> None:
    group, heard, fault = Subscriber("bank.listener", retries=0, parking=FEW), list[str](), {"raises"}

    @group.on
    def put(event: CoinsPut) -> None:
        if event.how in fault:
            raise RuntimeError("no such jar")
        heard.append(f"put {event.pence}")

    @group.on
    def moved(event: CoinsMoved) -> None:
        heard.append(f"moved {event.pence}")

    with InMemory(group, catalog=BANK) as bank:
        with pytest.raises(RecordParkedError):
            bank.publish(CoinsPut(jar_id="a", pence=1, how="raises"))
        bank.publish(CoinsPut(jar_id="a", pence=2))
        bank.publish(CoinsMoved(till_id="a", owner="", pence=3, moved_at=datetime.now(UTC)))
        assert heard == ["moved 3"]
        assert [*bank.parked(group)] == ["bank.jars:a"]
        fault.clear()
        bank.retry_parked(group, "bank.jars:a")
        assert heard == ["moved 3", "put 1", "put 2"]
