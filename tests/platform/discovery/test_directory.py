"""The directory of workers on a real broker: who is there, who owns what, and who is believed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.kit.bank import Bank
from tests.kit.cluster import Cluster, eventually
from verbwire.discovery import announcer
from verbwire.discovery import directory as module
from verbwire.discovery.announcer import Announcer
from verbwire.discovery.directory import Directory
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.security.workers_key import SigningKey, VerifyingKey
from verbwire.wire.records.signatures import Sign, signed
from verbwire.wire.records.workers import WORKER, GroupShare, WorkerRecord

pytestmark = pytest.mark.kafka
SOON = 2.0
KEY = SigningKey(b"the workers' own key of 32 bytes")
VERIFY = VerifyingKey(KEY.public()).verify


@pytest.fixture(scope="module")
def bank(cluster: Cluster) -> Iterator[Bank]:
    """One of its own, small: a broker that has hundreds of partitions to make is late with all else."""
    opened = Bank(cluster, f"d{uuid.uuid4().hex[:10]}", partitions=2)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def directory(bank: Bank) -> Iterator[Directory]:
    with closing(Directory(bank.kafka, bank.codec, VERIFY)) as opened:
        opened.start()
        opened.wait()
        yield opened


class Worker:
    """A worker that announces what a test lets it have."""

    def __init__(self, bank: Bank, name: str, sign: Sign | None = KEY.sign, ahead_ms: int = 0) -> None:
        self.shares: list[GroupShare] = []
        self.clock = BrokerClock()
        clock = self.clock
        self.announcer = Announcer(
            *(bank.kafka, bank.codec, name, lambda: self.shares, clock.observe),
            now_ms=lambda: clock.now_ms() + ahead_ms * (not clock._seen),
            sign=sign,
        )
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
def worker(bank: Bank) -> Iterator[Callable[..., Worker]]:
    opened: list[Worker] = []

    def start(name: str, **options: Any) -> Worker:
        opened.append(Worker(bank, name, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.announcer.close()


def test_the_owner_says_whether_a_partition_has_caught_up(directory: Directory, worker: Callable[..., Worker]) -> None:
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
    bank: Bank, directory: Directory, worker: Callable[..., Worker]
) -> None:
    one = worker("here-1")
    eventually(lambda: named(directory, "here-1"), SOON)
    one.has("here.group", 3, 0, 4, ready=(4,))
    eventually(lambda: owner(directory, "here.group", 4) == "here-1", SOON)
    (record,) = (each for each in directory.workers() if each.name == "here-1")
    assert record.url == "http://here-1:1"
    assert record.groups == (GroupShare(group="here.group", generation=3, owned=(0, 4), ready=(4,)),)
    assert owner(directory, "here.group", 1) is None
    with closing(Directory(bank.kafka, bank.codec, VERIFY)) as late:  # who comes later knows as much
        late.start()
        late.wait()
        assert owner(late, "here.group", 0) == "here-1"
    one.announcer.leave()
    eventually(lambda: not named(directory, "here-1"), SOON)
    assert owner(directory, "here.group", 4) is None
    assert [seen.worker.leaving for seen in directory.seen() if seen.worker.name == "here-1"] == [True]
    one.announcer.close()
    eventually(lambda: all(seen.worker.name != "here-1" for seen in directory.seen()), SOON)


def test_a_change_that_the_announcer_is_told_of_is_announced_at_once(
    directory: Directory, worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "SELDOM_SECONDS", 60.0)
    monkeypatch.setattr(announcer, "_RESTLESS_SECONDS", 0.0)
    one = worker("told-1")
    eventually(lambda: named(directory, "told-1") and not one.announcer._unacknowledged, SOON)
    one.has("told.group", 1, 0)
    one.announcer.look()
    eventually(lambda: owner(directory, "told.group", 0) == "told-1", SOON)


def test_its_announcements_tell_the_brokers_time(worker: Callable[..., Worker]) -> None:
    one = worker("clock-1")
    eventually(lambda: one.clock._seen, SOON)
    assert abs(one.clock.now_ms() - time.time() * 1000) < 1000  # the broker of a test run is on this machine


def test_the_latest_generation_of_a_group_is_believed(directory: Directory, worker: Callable[..., Worker]) -> None:
    new, old = worker("gen-new"), worker("gen-old")
    new.has("gen.group", 8, 0, 1)
    eventually(lambda: owner(directory, "gen.group", 0) == "gen-new", SOON)
    old.has("gen.group", 7, 0, 1, 2)  # said later, but of an older assignment
    eventually(lambda: owner(directory, "gen.group", 2) == "gen-old", SOON)
    assert owner(directory, "gen.group", 0) == owner(directory, "gen.group", 1) == "gen-new"
    new.announcer.leave()
    eventually(lambda: owner(directory, "gen.group", 0) == "gen-old", SOON)


def test_a_worker_that_is_silent_is_asked_no_more(
    directory: Directory, worker: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "BEAT_SECONDS", 0.1)
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


def test_directory_entries_are_not_believed_while_the_broker_is_silent(
    bank: Bank, worker: Callable[..., Worker]
) -> None:
    one = worker("alone-1")
    one.has("alone.group", 1, 0)
    with closing(Directory(bank.kafka, bank.codec, VERIFY)) as directory:
        directory.start()
        eventually(lambda: owner(directory, "alone.group", 0) == "alone-1", SOON)
    at_ms, learned = directory._newest  # it hears nothing any more
    directory._newest = at_ms, learned - module.DEAD_SECONDS
    assert owner(directory, "alone.group", 0) is None


def test_an_entry_that_cannot_be_read_is_in_nobodys_way(
    bank: Bank, directory: Directory, worker: Callable[..., Worker]
) -> None:
    producer = Producer({**bank.kafka, "log_level": 3})
    for key, value in ((b"bad-1", b"no frame"), (None, b"\0\0\0\0\1"), (b"\xff", None)):
        producer.produce(bank.names.workers(), value, key, partition=0)
    producer.flush(10)
    worker("good-1").has("good.group", 1, 0)
    eventually(lambda: owner(directory, "good.group", 0) == "good-1", SOON)


def rogue(bank: Bank, name: str, generation: int = 99) -> bytes:
    """What a rogue says: that it has a partition, by a later generation than anybody."""
    shares = (GroupShare(group="rogue.group", generation=generation, owned=(0,)),)
    record = WorkerRecord(name=name, url="http://rogue:1", started_at=9_000_000_000_000, beat=9, groups=shares)
    return bank.codec.encoder(WORKER)(record)


def write(bank: Bank, key: str, value: bytes | None, headers: Any = None) -> None:
    producer = Producer({**bank.kafka, "log_level": 3})
    producer.produce(bank.names.workers(), value, key.encode(), partition=0, headers=headers)
    producer.flush(10)


def doubted(directory: Directory, name: str) -> list[str]:
    return [each.why for each in directory.doubted() if each.name == name]


def test_an_unsigned_directory_entry_is_ignored(
    bank: Bank, directory: Directory, worker: Callable[..., Worker], caplog: pytest.LogCaptureFixture
) -> None:
    worker("honest-1").has("rogue.group", 1, 0)
    eventually(lambda: owner(directory, "rogue.group", 0) == "honest-1", SOON)
    other, topic, now = SigningKey(b"x" * 32), bank.names.workers(), round(time.time() * 1000)
    write(bank, "rogue-1", rogue(bank, "rogue-1"))
    value = rogue(bank, "rogue-2")
    write(bank, "rogue-2", value, signed(other.sign, topic, b"rogue-2", value, now))
    genuine = signed(KEY.sign, topic, b"honest-1", rogue(bank, "honest-1"), now)
    write(bank, "rogue-3", rogue(bank, "honest-1"), genuine)  # a worker's word under another key
    write(bank, "rogue-4", value, signed(KEY.sign, "other.workers", b"rogue-4", value, now))  # of another project
    eventually(lambda: doubted(directory, "rogue-4"), SOON)
    assert doubted(directory, "rogue-1") == ["it is not signed"]
    assert doubted(directory, "rogue-2") == doubted(directory, "rogue-3") == ["it is signed with another key"]
    assert owner(directory, "rogue.group", 0) == "honest-1"
    assert not [each.name for each in directory.workers() if each.name.startswith("rogue")]
    assert directory.dead(["rogue-1"]) == {"rogue-1"}, "nor is anybody alive by it"
    told = [each.getMessage() for each in caplog.records if "'rogue-1'" in each.getMessage()]
    assert len(told) == 1
    assert "http://rogue:1" in told[0]


def test_a_worker_cannot_remove_the_directory_entry_of_another(
    bank: Bank, directory: Directory, worker: Callable[..., Worker]
) -> None:
    worker("honest-2").has("out.group", 1, 0)
    eventually(lambda: owner(directory, "out.group", 0) == "honest-2", SOON)
    write(bank, "honest-2", rogue(bank, "honest-2"))
    write(bank, "honest-2", None)
    write(bank, "rogue-5", b"the end")
    eventually(lambda: doubted(directory, "rogue-5"), SOON)
    assert owner(directory, "out.group", 0) == "honest-2"
    write(bank, "rogue-5", None)
    eventually(lambda: not doubted(directory, "rogue-5"), SOON)


def test_a_dead_workers_word_does_not_live_on(bank: Bank, directory: Directory, worker: Callable[..., Worker]) -> None:
    """Whoever has read what a worker signed may write it again: it is no younger for that."""
    topic, now = bank.names.workers(), round(time.time() * 1000)
    value = rogue(bank, "dead-1", 1)
    write(bank, "dead-1", value, signed(KEY.sign, topic, b"dead-1", value, now - 20_000))
    worker("beats-1")
    eventually(lambda: named(directory, "beats-1"), SOON)
    (seen,) = (each for each in directory.seen() if each.worker.name == "dead-1")
    assert not directory.is_alive(seen)
    assert owner(directory, "rogue.group", 0) != "dead-1"


def test_an_older_directory_entry_takes_nothing_back(
    bank: Bank, directory: Directory, worker: Callable[..., Worker]
) -> None:
    topic, now = bank.names.workers(), round(time.time() * 1000)
    before = rogue(bank, "again-1", 1)
    gone = signed(KEY.sign, topic, b"again-1", None, now - 1000)
    write(bank, "again-1", before, signed(KEY.sign, topic, b"again-1", before, now - 500))
    worker("again-1").has("again.group", 1, 3)
    eventually(lambda: owner(directory, "again.group", 3) == "again-1", SOON)
    write(bank, "again-1", before, signed(KEY.sign, topic, b"again-1", before, now - 500))
    write(bank, "again-1", None, gone)
    worker("again-2")
    eventually(lambda: named(directory, "again-2"), SOON)
    assert owner(directory, "again.group", 3) == "again-1"


@pytest.mark.parametrize("ahead", [-3600_000, 3600_000])
def test_a_worker_whose_clock_is_wrong_learns_the_brokers_time_and_is_believed(
    directory: Directory, worker: Callable[..., Worker], ahead: int
) -> None:
    one = worker(f"clock{ahead}", ahead_ms=ahead)
    one.has("wrong.group", 1, 0)
    eventually(lambda: named(directory, f"clock{ahead}"), SOON)
