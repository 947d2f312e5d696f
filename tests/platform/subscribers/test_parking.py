"""Subscribers that park, on a real broker: nothing of a parked key overtakes, whoever has its partition."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from tests.kit.cluster import Cluster, eventually
from tests.kit.offsets import commit
from tests.kit.samples.office.parcels import ParcelArrived
from tests.kit.subscribers import PARTITIONS, Depot, Seen
from verbwire import Parking, Subscriber
from verbwire.dead_letters.shown import shown_message
from verbwire.errors import ConfigurationError
from verbwire.parking.desk import ParkedDesk
from verbwire.parking.parked_key import ANY
from verbwire.wire.partitioner import partition_of
from verbwire.worker.subscriber_group import SubscriberGroupHost

pytestmark = pytest.mark.kafka

FIRST, SECOND = "office.first", "office.second"
FEW = Parking(keys=2, records=20)
QUICK: dict[str, Any] = {"retries": 1, "concurrency": 4, "backoff": timedelta(milliseconds=5)}


@dataclass
class Parks:
    """A subscriber that parks; what is in `broken` cannot be handled."""

    depot: Depot
    name: str = FIRST
    broken: set[int] = field(default_factory=set)
    parking: Parking | None = FEW
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self.group = Subscriber(self.name, **QUICK, parking=self.parking)
        self.group.on(self.arrived)

    def arrived(self, event: ParcelArrived) -> None:
        if event.number in self.broken:
            raise RuntimeError(f"no shelf for {event.number}")
        self.seen.note((event.parcel_id, event.number))

    def publish(self, parcel: str, *numbers: int) -> None:
        for number in numbers:
            self.depot.client.publish(ParcelArrived(parcel_id=parcel, number=number, how=""))
        self.depot.client.flush()

    def done(self, records: int) -> None:
        """Wait until so many records since the depot was opened are behind the group."""
        eventually(lambda: self.depot.committed(self.name, self.depot.events) == records)

    def numbers(self, parcel: str) -> list[int]:
        return [number for key, number in self.seen.calls if key == parcel]

    def host(self, worker: str = "w1") -> SubscriberGroupHost:
        return self.depot.host(self.group, worker)


@pytest.fixture(scope="module")
def depot(cluster: Cluster) -> Iterator[Depot]:
    opened = Depot(cluster, f"t{uuid.uuid4().hex[:10]}", parking=(FIRST, SECOND))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def desk(depot: Depot) -> Iterator[ParkedDesk]:
    with closing(ParkedDesk(depot.connection, depot.registry, shown_message)) as opened:
        yield opened


def test_parked_events_of_a_subscriber_wait_at_whoever_has_the_partition_and_are_retried_in_order(
    depot: Depot, desk: ParkedDesk
) -> None:
    parks = Parks(depot, broken={2})
    with depot.open(parks.group):
        parks.publish("a", 1, 2, 3)
        parks.publish("b", 4)
        hosted = parks.host("w1")
        parks.done(4)
        depot.stop(hosted, leave=True)
        assert sorted(parks.seen.calls) == [("a", 1), ("b", 4)]
        parks.publish("a", 5)
        parks.publish("b", 6)
        parks.host("w2")  # which knows of it by the log alone, before it handles anything
        parks.done(6)
        assert parks.numbers("a") == [1]
        assert parks.numbers("b") == [4, 6]
        (key,) = desk.keys(parks.group)
        assert (key.key, key.records, key.attempts, key.type) == ("a", 3, 2, "office.parcels.ParcelArrived")
        assert "no shelf for 2" in key.reason
        _, records = desk.show(parks.group, "a")
        assert [each.message["number"] for each in records] == [2, 3, 5]
        answered = desk.retry(parks.group, ["a"], ANY, "ann", "", 15)
        assert "no shelf for 2" in answered.parked["a"]
        parks.broken = {5}
        answered = desk.retry(parks.group, ["a"], ANY, "ann", "mended", 15)
        assert "no shelf for 5" in answered.parked["a"]
        assert parks.numbers("a") == [1, 2, 3]
        parks.publish("a", 7)
        answered = desk.skip(parks.group, "a", "ann", "of a test", 15)
        assert (answered.handled, answered.parked) == (["a"], {})
        parks.publish("a", 8)
        parks.done(8)
        assert parks.numbers("a") == [1, 2, 3, 7, 8]
        (letter,) = depot.letters(FIRST, 1)
        assert (letter.reason, letter.detail) == ("skipped", "ann says to skip it: of a test")
        with pytest.raises(ConfigurationError, match="stands still at no single record"):
            desk.skip_record(parks.group, f"{depot.events}/0/0", "ann", "why not")


def test_a_subscriber_that_has_parked_all_it_may_waits_says_so_and_goes_on_by_itself(
    depot: Depot, desk: ParkedDesk
) -> None:
    parks = Parks(depot, SECOND, broken={2})
    with depot.open(parks.group):
        keys = [f"k{number}" for number in range(16)]  # of two partitions: more than either may park
        for key in keys:
            parks.publish(key, 2, 3)
        hosted = parks.host()
        eventually(lambda: len(desk.keys(parks.group)) == 4)
        eventually(lambda: hosted.running.stopped() == (0, 1))
        assert (hosted.not_ready(), hosted.partition_health().stopped) == ([], (0, 1))
        (share,) = hosted.shares()
        assert (share.ready, share.stopped) == ((), (0, 1))
        counted = depot.metrics.exposition().decode()
        assert f'verbwire_parked_keys{{group="{depot.names.group(SECOND)}"}} 4.0' in counted
        parks.broken = set()
        answered = desk.retry(parks.group, None, ANY, "ann", "mended", 15)
        assert len(answered.handled) == 4
        eventually(lambda: all(parks.numbers(key) == [2, 3] for key in keys), 30)
        eventually(lambda: hosted.running.stopped() == ())
        assert desk.keys(parks.group) == []


def test_a_subscriber_that_parks_no_more_handles_nothing_of_a_partition_with_parked_keys_until_they_are_seen_to(
    depot: Depot, desk: ParkedDesk
) -> None:
    parks = Parks(depot, broken={2})
    ended = Parks(depot, parking=None)
    of_a = partition_of(b"a", PARTITIONS)
    other = next(key for key in "bcdefgh" if partition_of(key.encode(), PARTITIONS) != of_a)
    with depot.open(parks.group):
        parks.publish("a", 1, 2)
        hosted = parks.host()
        parks.done(2)
        depot.stop(hosted, leave=True)
        parks.publish("a", 3)
        parks.publish(other, 5)
        hosted = ended.host()
        eventually(lambda: ended.numbers(other) == [5])
        eventually(lambda: hosted.running.stopped() == (of_a,))
        assert hosted.partition_health().stopped == hosted.running.stopped()
        assert ended.numbers("a") == []
        depot.stop(hosted, leave=True)
        parks.broken = set()
        hosted = parks.host()
        assert desk.retry(parks.group, None, ANY, "ann", "mended", 15).handled == ["a"]
        depot.stop(hosted, leave=True)
        ended.publish("a", 6)
        hosted = ended.host()
        ended.done(5)
        assert hosted.running.stopped() == ()
        assert [*parks.numbers("a"), *ended.numbers("a")] == [1, 2, 3, 6]


def test_a_parked_event_that_is_read_again_is_the_same_and_what_came_before_it_is_redelivered(
    depot: Depot, desk: ParkedDesk
) -> None:
    """As after a crash before its offset was committed."""
    parks = Parks(depot, broken={2})
    with depot.open(parks.group):
        since = depot.since(depot.events)
        parks.publish("a", 1, 2, 3)
        hosted = parks.host()
        parks.done(3)
        depot.stop(hosted, leave=True)
        commit(depot.cluster.bootstrap, depot.names.group(FIRST), since)
        parks.publish("a", 4)
        parks.host()
        parks.done(4)
        assert parks.numbers("a") == [1, 1]
        (key,) = desk.keys(parks.group)
        assert (key.records, key.attempts) == (3, 2)
        parks.broken = set()
        assert desk.retry(parks.group, ["a"], ANY, "ann", "", 15).handled == ["a"]
        assert parks.numbers("a") == [1, 1, 2, 3, 4]
