"""The directory of workers on a real broker: who is there, who owns what, and who is believed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from confluent_kafka import Producer

from tests.cluster import eventually
from tests.platform.engine_kit import Bank
from verbwire import directory as module
from verbwire.directory import Announcer, Directory
from verbwire.engine.clock import BrokerClock
from verbwire.wire.workers import GroupShare

pytestmark = pytest.mark.kafka
SOON = 2.0


@pytest.fixture(scope="module")
def directory(bank: Bank) -> Iterator[Directory]:
    with closing(Directory(bank.kafka, bank.codec)) as opened:
        opened.start()
        opened.wait()
        yield opened


class Worker:
    """A worker that announces what a test lets it have."""

    def __init__(self, bank: Bank, name: str) -> None:
        self.shares: list[GroupShare] = []
        self.clock = BrokerClock()
        self.announcer = Announcer(bank.kafka, bank.codec, name, lambda: self.shares, self.clock.observe)
        self.announcer.start(f"http://{name}:1")

    def has(
        self,
        group: str,
        generation: int,
        *partitions: int,
        ready: tuple[int, ...] = (),
        caught_up: tuple[int, ...] = (),
    ) -> None:
        self.shares = [
            GroupShare(group=group, generation=generation, owned=partitions, ready=ready, caught_up=caught_up)
        ]


@pytest.fixture
def worker(bank: Bank) -> Iterator[Callable[[str], Worker]]:
    opened: list[Worker] = []

    def start(name: str) -> Worker:
        opened.append(Worker(bank, name))
        return opened[-1]

    yield start
    for each in opened:
        each.announcer.close()


def test_the_owner_says_whether_a_partition_has_caught_up(
    directory: Directory, worker: Callable[[str], Worker]
) -> None:
    old, new = worker("caught-1"), worker("caught-2")
    old.has("caught.group", 1, 0, 1, caught_up=(0, 1))
    eventually(lambda: directory.caught_up("caught.group", 1), SOON)
    new.has("caught.group", 2, 1)
    eventually(lambda: owner(directory, "caught.group", 1) == "caught-2", SOON)
    assert directory.caught_up("caught.group", 0)
    assert not directory.caught_up("caught.group", 1), "said by who had it before"
    assert not directory.caught_up("caught.group", 2), "nobody's"
    assert not directory.caught_up("other.group", 0)


def named(directory: Directory, name: str) -> list[str]:
    return [each.name for each in directory.workers() if each.name == name]


def owner(directory: Directory, group: str, partition: int) -> str | None:
    found = directory.owner(group, partition)
    return found.name if found else None


def test_a_worker_is_there_from_its_start_to_its_stop(
    bank: Bank, directory: Directory, worker: Callable[[str], Worker]
) -> None:
    one = worker("here-1")
    eventually(lambda: named(directory, "here-1"), SOON)
    one.has("here.group", 3, 0, 4, ready=(4,))
    eventually(lambda: owner(directory, "here.group", 4) == "here-1", SOON)
    (record,) = (each for each in directory.workers() if each.name == "here-1")
    assert record.url == "http://here-1:1"
    assert record.groups == (GroupShare(group="here.group", generation=3, owned=(0, 4), ready=(4,)),)
    assert owner(directory, "here.group", 1) is None
    with closing(Directory(bank.kafka, bank.codec)) as late:  # who comes later knows as much
        late.start()
        late.wait()
        assert owner(late, "here.group", 0) == "here-1"
    one.announcer.leave()
    eventually(lambda: not named(directory, "here-1"), SOON)
    assert owner(directory, "here.group", 4) is None
    assert [seen.worker.leaving for seen in directory.seen() if seen.worker.name == "here-1"] == [True]
    one.announcer.close()
    eventually(lambda: all(seen.worker.name != "here-1" for seen in directory.seen()), SOON)


def test_its_announcements_tell_the_brokers_time(worker: Callable[[str], Worker]) -> None:
    one = worker("clock-1")
    eventually(lambda: one.clock._seen, SOON)
    assert abs(one.clock.now_ms() - time.time() * 1000) < 1000  # the broker of a test run is on this machine


def test_the_latest_generation_of_a_group_is_believed(directory: Directory, worker: Callable[[str], Worker]) -> None:
    new, old = worker("gen-new"), worker("gen-old")
    new.has("gen.group", 8, 0, 1)
    eventually(lambda: owner(directory, "gen.group", 0) == "gen-new", SOON)
    old.has("gen.group", 7, 0, 1, 2)  # said later, but of an older assignment
    eventually(lambda: owner(directory, "gen.group", 2) == "gen-old", SOON)
    assert owner(directory, "gen.group", 0) == owner(directory, "gen.group", 1) == "gen-new"
    new.announcer.leave()
    eventually(lambda: owner(directory, "gen.group", 0) == "gen-old", SOON)


def test_who_is_silent_is_asked_no_more(
    directory: Directory, worker: Callable[[str], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(module, "DEAD_SECONDS", 0.6)
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.6)
    dead, alive = worker("silent-1"), worker("silent-2")
    dead.has("silent.group", 2, 0)
    alive.has("silent.group", 1, 0)
    eventually(lambda: owner(directory, "silent.group", 0) == "silent-1", SOON)
    eventually(lambda: owner(directory, "silent.group", 0) and named(directory, "silent-2"), SOON)
    assert directory.dead(["silent-1", "silent-2", "never-heard-of"]) == {"never-heard-of"}
    dead.announcer._stopping = True  # as if killed: it takes nothing back
    dead.announcer._thread.join()
    eventually(lambda: owner(directory, "silent.group", 0) == "silent-2", SOON)
    assert not named(directory, "silent-1")
    assert directory.dead(["silent-2"]) == {"silent-1"}  # named or not: it was heard of lately


def test_when_the_broker_is_silent_nobody_is_believed(bank: Bank, worker: Callable[[str], Worker]) -> None:
    one = worker("alone-1")
    one.has("alone.group", 1, 0)
    with closing(Directory(bank.kafka, bank.codec)) as directory:
        directory.start()
        eventually(lambda: owner(directory, "alone.group", 0) == "alone-1", SOON)
    at_ms, learned = directory._newest  # it hears nothing any more
    directory._newest = at_ms, learned - module.DEAD_SECONDS
    assert owner(directory, "alone.group", 0) is None


def test_an_entry_that_cannot_be_read_is_in_nobodys_way(
    bank: Bank, directory: Directory, worker: Callable[[str], Worker]
) -> None:
    producer = Producer({**bank.kafka, "log_level": 3})
    for key, value in ((b"bad-1", b"no frame"), (None, b"\0\0\0\0\1"), (b"\xff", None)):
        producer.produce(bank.names.workers(), value, key, partition=0)
    producer.flush(10)
    worker("good-1").has("good.group", 1, 0)
    eventually(lambda: owner(directory, "good.group", 0) == "good-1", SOON)
