"""The word about a rebuilt table: names, what it means, and when it is void."""

from __future__ import annotations

import time
import uuid

import pytest

from tests.kit.cluster import Cluster, delete, eventually
from verbwire.deploy.group_plan import Topic
from verbwire.deploy.target import Target
from verbwire.deploy.topics import ClusterTopics
from verbwire.errors import RebuildError, UndecodableError
from verbwire.generations.topic import read_words, served_names
from verbwire.generations.watch import RebuildWatch
from verbwire.generations.writer import RebuildWriter
from verbwire.names import Names
from verbwire.wire.records.rebuilds import Generations, RebuildWord, read, written
from verbwire.wire.topics import REBUILDS
from verbwire.worker.known_topics import KnownTopics

BOTH = Generations(serving=0, followed=(0, 1), last=1)
SECOND = Generations(serving=1, followed=(0, 1), last=1)


def test_generations_of_a_group_have_names_of_their_own_but_for_the_first() -> None:
    names = Names("shop", "test").of_generation("shop.orders", 2)
    assert names.group("shop.orders") == "test.shop.orders.2"
    assert names.changelog(names.group("shop.orders"), "orders") == "test.shop.orders.2-orders-changelog"
    assert names.group("shop.carts") == "test.shop.carts"
    assert names.of_generation("shop.orders", 0).group("shop.orders") == "test.shop.orders"
    assert names.context("shop.orders") == "test.shop.orders", "a context of that name is another thing"
    assert names.transactional_ids(names.group("shop.orders")) == "test.shop.orders.2-"


def test_generations_that_serve_are_what_names_mean() -> None:
    words = {"shop.orders": RebuildWord(generations=SECOND), "shop.carts": RebuildWord(generations=BOTH)}
    names = served_names(Names("shop"), words)
    assert names.group("shop.orders") == "shop.orders.1"
    assert names.group("shop.carts") == "shop.carts"


def test_a_rebuild_word_that_comes_too_late_is_void() -> None:
    value = written(RebuildWord(generations=SECOND, valid_until_ms=1000, otherwise=BOTH, positions={"t": [1]}))
    assert read(value, 1000).generations == SECOND
    assert read(value, 1001) == RebuildWord(generations=BOTH)
    with pytest.raises(UndecodableError):
        read(b"{", 0)


def test_a_rebuilt_table_keeps_what_served_and_what_is_built_is_not_kept() -> None:
    assert SECOND.kept == 0
    assert BOTH.kept == 1
    building = Generations(serving=0, followed=(0, 1), building=1, last=1)
    assert building.kept is None
    assert building.standing == (0, 1)
    assert Generations(building=3, last=3).standing == (0, 3)


def test_positions_of_a_rebuilt_table_may_name_the_topics_of_any_generation() -> None:
    known = KnownTopics(iter(["shop.events", "shop.sums-sums-repartition"]))
    assert "shop.sums.12-sums-repartition" in known
    assert "shop.sums-sums-repartition" in known
    assert "shop.events" in known
    assert "shop.1.events" not in known


@pytest.mark.kafka
def test_rebuild_words_are_followed_and_a_pause_without_an_end_is_over_by_itself(cluster: Cluster) -> None:
    kafka, names = {"bootstrap.servers": cluster.bootstrap}, Names("bank", f"g{uuid.uuid4().hex[:10]}")
    assert read_words(kafka, names.rebuilds()) == {}
    target = Target(cluster.bootstrap, cluster.registry_url, names, partitions=1)
    ClusterTopics(target).create([Topic(names.rebuilds(), 1, REBUILDS)])
    told: list[RebuildWord] = []
    watch = RebuildWatch(kafka, names.rebuilds())
    watch.follow("bank.jars", told.append)
    with RebuildWriter(kafka, names, "bank.jars") as writer:
        stamp = writer.write(RebuildWord(generations=BOTH))
        watch.start()
        try:
            eventually(lambda: told and told[-1].generations == BOTH)
            paused = RebuildWord(generations=BOTH, paused_until_ms=stamp + 1500)
            writer.write(paused)
            eventually(lambda: told[-1] == paused)
            assert read_words(kafka, names.rebuilds())["bank.jars"].paused_until_ms
            eventually(lambda: told[-1] == RebuildWord(generations=BOTH))
            assert time.time() * 1000 > stamp + 1400  # the clocks of broker and worker may differ by a little
            late = RebuildWord(generations=SECOND, valid_until_ms=stamp + 1500, otherwise=BOTH)
            writer.write(late)
            eventually(lambda: len(told) > 3)
            assert told[-1] == RebuildWord(generations=BOTH), "void"
            with RebuildWriter(kafka, names, "bank.jars") as other:
                other.write(RebuildWord(generations=SECOND))
            with pytest.raises(RebuildError, match="taken over"):
                writer.write(RebuildWord(generations=BOTH))
            assert writer.now() == SECOND
        finally:
            watch.stop()
            delete(cluster.bootstrap, [names.rebuilds()])
