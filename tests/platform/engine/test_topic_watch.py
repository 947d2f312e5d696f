"""Topics that change under our feet: whoever cannot know what was in them stands still, and says what to do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.kit import bank_jars
from tests.kit.bank import NAMESPACE, Bank
from tests.kit.cluster import Cluster, eventually, set_config
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow, PutCoins
from tests.platform.engine.test_restore import say
from verbwire.engine.topic_watch import TopicWatch, difference
from verbwire.errors import UnavailableError
from verbwire.kafka.offsets import TopicIdentity

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def fickle(cluster: Cluster) -> Iterator[Bank]:
    """A bank whose topics are deleted and made again; each test has a partition of its own."""
    opened = Bank(cluster, f"k{uuid.uuid4().hex[:10]}", partitions=16)
    yield opened
    opened.close()


@pytest.fixture
def place(fickle: Bank) -> int:
    return fickle.partition()


def make_again(bank: Bank, topic: str) -> None:
    """Delete a topic and let `verbwire deploy` make it again."""
    admin = AdminClient({"bootstrap.servers": bank.cluster.bootstrap, "log_level": 3})
    for future in admin.delete_topics([topic]).values():
        future.result()
    eventually(lambda: topic not in admin.list_topics(timeout=10).topics)
    bank.deploy()


def stands_still(engine: Engine, *said: str) -> None:
    assert [*engine.core.stopped()] == [engine.partition]
    (why,) = engine.core.stopped().values()
    assert all(each in why for each in said), why
    assert engine.starts == {}
    with pytest.raises(UnavailableError):
        engine.rows()


def put(bank: Bank, partition: int, pence: int) -> None:
    bank.send(CoinsPut(jar_id="j", pence=pence), partition)


def folded(bank: Bank, partition: int, folder: Path) -> Engine:
    """A table that has counted seven pence of three events, closed."""
    for pence in (1, 2, 4):
        put(bank, partition, pence)
    with Engine(bank, bank_jars.table(), [partition], folder) as engine:
        engine.run()
        assert engine.counted_pence() == 7
    return engine


JAR = {b"j": JarRow(jar_id="j", pence=7)}


@pytest.mark.parametrize("copy", ["here", "lost"])
def test_a_table_whose_changelog_was_made_again_is_not_taken_for_empty(
    fickle: Bank, place: int, tmp_path: Path, copy: str
) -> None:
    before, topic = folded(fickle, place, tmp_path), fickle.names.events(NAMESPACE)
    make_again(fickle, before.topology.changelog)
    if copy == "lost":
        before.store(place).unlink()
    with Engine(fickle, bank_jars.table(), [place], tmp_path) as engine:
        said = f"nothing was ever written to {engine.topology.changelog}", f"{topic} up to 3", "--to-earliest"
        stands_still(engine, *said)
        if copy == "here":
            assert engine.held(place) == JAR
        fickle.commit(engine.topology.group, topic, place, 0)  # whoever sets it by hand has decided
        engine.own(place)
        engine.run()
        assert engine.rows() == JAR
        assert len([*engine.store(place).parent.glob(f"jars-{place}.*.aside")]) == (copy == "here")


def test_a_partition_without_a_row_leaves_a_witness_too(fickle: Bank, place: int, tmp_path: Path) -> None:
    fickle.put(fickle.names.events(NAMESPACE), place, b"k", b"no event: it becomes a dead letter")
    with Engine(fickle, bank_jars.table(), [place], tmp_path) as engine:
        engine.run()
        make_again(fickle, engine.topology.changelog)
        engine.own(place)
        stands_still(engine, "nothing was ever written to")


@pytest.mark.parametrize("part", ["rows", "answers"])
def test_a_receiver_without_memory_decides_nothing(fickle: Bank, place: int, tmp_path: Path, part: str) -> None:
    fickle.send(PutCoins(jar_id="j", pence=1), place)
    with Engine(fickle, bank_jars.receiver(), [place], tmp_path / "before") as engine:
        engine.run()
        (lost,) = [log.topic for log in engine.topology.logs if log.name == part]
        make_again(fickle, lost)
    fickle.forget(engine.topology.group)  # after a week nothing but the other log knows that there was something
    with Engine(fickle, bank_jars.receiver(), [place], tmp_path / "after") as engine:
        stands_still(engine, f"nothing was ever written to {lost}", "decided, and their events published, once more")


def test_a_changelog_that_has_lost_its_beginning_is_no_backup(fickle: Bank, place: int, tmp_path: Path) -> None:
    before = folded(fickle, place, tmp_path / "here")
    set_config(fickle.cluster.bootstrap, before.topology.changelog, "cleanup.policy", "compact,delete")
    fickle.cut_off(before.topology.changelog, place, 1)
    put(fickle, place, 8)
    with Engine(fickle, bank_jars.table(), [place], tmp_path / "elsewhere") as engine:
        stands_still(engine, f"{engine.topology.changelog} no longer holds its records up to 1", "cleanup.policy")
    with Engine(fickle, bank_jars.table(), [place], tmp_path / "here") as engine:
        engine.run()
        assert engine.counted_pence() == 15


def test_a_copy_that_is_ahead_of_its_log_is_not_thrown_away(fickle: Bank, place: int, tmp_path: Path) -> None:
    before = folded(fickle, place, tmp_path)
    say(before.store(place), "position rows", 100_000)
    with Engine(fickle, bank_jars.table(), [place], tmp_path) as engine:
        stands_still(engine, f"{engine.topology.changelog} ends at ", "read up to 100000: its end is lost")
        assert engine.held(place) == JAR


def test_a_changelog_made_again_under_a_running_worker_is_not_taken_for_all(
    fickle: Bank, place: int, tmp_path: Path
) -> None:
    """What the worker goes on to write there looks like a log; only the id that goes with it tells."""
    folded(fickle, place, tmp_path / "here")
    with Engine(fickle, bank_jars.table(), [place], tmp_path / "here") as engine:
        make_again(fickle, engine.topology.changelog)
        fickle.send(CoinsPut(jar_id="k", pence=8), place)
        engine.run_through()
        held = engine.held(place)
        engine.own(place)
        stands_still(engine, "was deleted and made again while the group was at work", "--to-earliest")
        assert engine.held(place) == held  # the last that there is of the other jar
    with Engine(fickle, bank_jars.table(), [place], tmp_path / "elsewhere") as engine:
        stands_still(engine, "was deleted and made again while the group was at work")


@pytest.mark.parametrize("offset", ["forgotten", "of the old one"])
def test_an_input_made_again_is_not_read_from_where_the_old_one_was(
    fickle: Bank, place: int, tmp_path: Path, offset: str
) -> None:
    """By now it is longer than the old one was: its first records would be passed over in silence."""
    before, topic = folded(fickle, place, tmp_path / "here"), fickle.names.events(NAMESPACE)
    make_again(fickle, topic)
    for _ in range(5):
        put(fickle, place, 100)
    if offset == "of the old one":  # committed by a worker that had it in hand when the topic went
        fickle.commit(before.topology.group, topic, place, 3, by="w1")
    with Engine(fickle, bank_jars.table(), [place], tmp_path / "here") as engine:
        stands_still(engine, f"{topic} was deleted and made again", "up to 3, which is no offset", "--to-earliest")
        assert engine.held(place) == JAR
        fickle.commit(engine.topology.group, topic, place, 1)
        engine.own(place)
        engine.run()
        assert engine.counted_pence() == 407
        put(fickle, place, 1000)
        engine.run()
    with Engine(fickle, bank_jars.table(), [place], tmp_path / "elsewhere") as engine:
        assert engine.counted_pence() == 1407
        assert engine.inputs(place) == {topic: 6}


def test_a_watch_stops_the_groups_whose_topics_are_others(fickle: Bank, tmp_path: Path) -> None:
    here, there = fickle.partition(), fickle.partition()
    with (
        Engine(fickle, bank_jars.table(), [here], tmp_path) as table,
        Engine(fickle, bank_jars.receiver(), [there], tmp_path) as receiver,
    ):
        watch = TopicWatch(fickle.kafka, lambda: [table.core, receiver.core])
        watch.look()
        assert (table.core.stopped(), receiver.core.stopped()) == ({}, {})
        asked: list[str] = []
        table.core.refresh_topics = lambda: asked.append("table")
        receiver.core.refresh_topics = lambda: asked.append("receiver")
        make_again(fickle, table.topology.changelog)
        TopicWatch(
            fickle.kafka, lambda: [table.core, receiver.core]
        ).look()  # one that begins late, like a busy worker's
        assert asked == ["table"]
        watch.look()
        assert f"{table.topology.changelog} was deleted and made again" in table.core.stopped()[here]
        assert receiver.core.stopped() == {}
        put(fickle, here, 1)
        table.run()
        assert table.held(here) == {}


def test_topic_changes_are_told_and_a_missing_topic_only_the_second_time() -> None:
    before = {"a": TopicIdentity("1", 3), "b": TopicIdentity("2", 3)}
    assert difference(before, before, set()) is None
    assert difference(before, {"a": TopicIdentity("1", 3)}, set()) is None
    assert difference(before, {"a": TopicIdentity("1", 3)}, {"b"}) == "b is not there any more"
    assert difference(before, {**before, "b": TopicIdentity("3", 3)}, set()) == "b was deleted and made again"
    assert "a has 6 partitions, the group's other topics have 3" in str(
        difference(before, {**before, "a": TopicIdentity("1", 6)}, set())
    )
