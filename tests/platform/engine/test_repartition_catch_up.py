"""When a table has caught up: with its own inputs, and with what other partitions hand over of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.faults.all_dead import AllDead
from tests.kit import bank_jars
from tests.kit.bank import NAMESPACE, SECONDS, TABLE, Bank
from tests.kit.bank_tills import OWNERS, living_in, owners
from tests.kit.cluster import eventually
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, PutCoins
from tests.kit.samples.bank.tills import CoinsMoved
from verbwire.engine.restore.repartition_catch_up import RepartitionCatchUp
from verbwire.kafka.offsets import ClusterOffsets

pytestmark = pytest.mark.kafka


def letters(engine: Engine) -> int:
    return engine.reader.dead_letters()


def test_caught_up_is_a_table_that_has_read_what_was_there_when_it_began(bank: Bank, table: Engine) -> None:
    assert table.reader.behind() == {}
    for _ in range(3):
        bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    assert table.reader.behind() == {}, "what comes later is no lack of what was there"
    table.prepare()
    assert table.reader.behind() == {table.partition: 3}
    bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    table.run()
    assert table.reader.behind() == {}


def test_caught_up_counts_a_tail_without_records_as_read(bank: Bank, table: Engine) -> None:
    """Records of an aborted transaction and its mark: nobody is ever given them."""
    topic = bank.names.events(NAMESPACE)
    bank.send(CoinsPut(jar_id="j", pence=1), table.partition)
    producer = Producer({**bank.kafka, "transactional.id": f"{bank.names.prefix}-tail"})
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    producer.produce(topic, b"never", b"j", table.partition)
    producer.flush(SECONDS)
    producer.abort_transaction(SECONDS)
    table.prepare()
    place, start = (topic, table.partition), table.next[topic, table.partition]
    assert table.reader.behind() == {table.partition: 3}
    table.run()
    assert table.reader.behind() == {table.partition: 2}
    table.core.process({}, table.membership, lambda: True, {place: start + 3})  # as the consumer tells of its position
    eventually(lambda: table.reader.behind() == {}, SECONDS)


class Elsewhere(AllDead):
    """Other workers, who have read what they have to or not."""

    def __init__(self) -> None:
        self.read = False

    def caught_up(self, group: str, partition: int) -> bool:  # noqa: ARG002 (all are alike here)
        assert group == OWNERS
        return self.read


@pytest.fixture
def pair(branch: Bank, tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
    """Two workers with a partition each."""
    here, there = branch.partition(), branch.partition()
    with (
        Engine(branch, owners(), [here], tmp_path / "one") as one,
        Engine(branch, owners(), [there], tmp_path / "two") as two,
    ):
        yield one, two


def catching_up(engine: Engine, elsewhere: Elsewhere) -> RepartitionCatchUp:
    cluster = ClusterOffsets(engine.bank.kafka, engine.topology.group)
    topic = engine.topology.repartition
    assert topic is not None
    return RepartitionCatchUp(engine.reader, engine.topology.sources, topic, cluster, elsewhere.caught_up)


def test_a_rekeyed_table_is_behind_until_what_others_hand_over_counts(
    branch: Bank, pair: tuple[Engine, Engine]
) -> None:
    one, two = pair
    others, partition = Elsewhere(), two.partition
    looking = catching_up(two, others)
    owner = living_in(two.partition, branch.partitions)
    for pence in range(5):  # of a partition that is the other worker's
        branch.send(CoinsMoved(till_id="t", owner=owner, pence=pence, how=""), one.partition)
    two.prepare()
    looking.look()
    assert two.reader.behind() == {partition: 0}, "nothing is known to be missing, and nothing known to be complete"
    one.run()
    others.read = True
    looking.look()
    assert two.reader.behind()[partition] >= 5, "handed over, and not yet counted"
    two.run()
    for topic, place in two.next:  # behind the mark of the transaction that handed over
        two.core.process(
            {}, two.membership, lambda: True, {(topic, place): two.reader.states[place].end_offsets.ends[topic]}
        )
    eventually(lambda: two.reader.behind() == {}, SECONDS)
    two.prepare()
    assert partition in two.reader.behind(), "it began anew: asked again"


def test_a_rekeyed_table_is_behind_while_its_own_sources_are(branch: Bank, pair: tuple[Engine, Engine]) -> None:
    _, two = pair
    others, partition = Elsewhere(), two.partition
    others.read = True
    looking = catching_up(two, others)
    owner = living_in(partition, branch.partitions)
    branch.send(CoinsMoved(till_id="t", owner=owner, pence=1, how=""), partition)
    two.prepare()
    others.read = False  # the other partitions of the table are nobody's
    looking.look()
    assert two.reader.behind() == {partition: 1}
    assert not two.reader.states[partition].has_read(two.topology.sources)
    two.run()
    assert two.reader.states[partition].has_read(two.topology.sources)
    looking.look()
    assert two.reader.behind() == {partition: 0}


def test_dead_letters_in_a_tables_past_are_counted_with_its_partition(
    bank: Bank, table: Engine, tmp_path: Path
) -> None:
    topic, partition = bank.names.events(NAMESPACE), table.partition
    before = letters(table)
    for _ in range(2):
        bank.put(topic, partition, b"j", b"no event")
    table.run()  # no row changed
    assert letters(table) - before == 2
    bank.put(topic, partition, b"j", b"no event")
    bank.send(CoinsPut(jar_id="j", pence=1), partition)
    table.run()
    assert letters(table) == 3
    table.prepare()
    assert letters(table) == 3, "after a restart"
    with Engine(bank, bank_jars.table(), [partition], tmp_path) as elsewhere:
        assert letters(elsewhere) == 3, "restored from the log"
        bank.put(topic, partition, b"j", b"no event")
        elsewhere.run()
        assert letters(elsewhere) == 4
    assert len(bank.dead_letters(partition, TABLE)) == 4


def test_a_batch_that_fails_counts_no_dead_letter(bank: Bank, table: Engine) -> None:
    bank.put(bank.names.events(NAMESPACE), table.partition, b"j", b"no event")
    table.live = False
    with pytest.raises(Exception, match="taken away"):
        table.run()
    table.live = True
    table.prepare()
    assert letters(table) == 0
    table.run()
    assert letters(table) == 1


def test_dead_letters_of_an_aggregate_are_counted_too(bank: Bank, receiver: Engine, tmp_path: Path) -> None:
    bank.put(bank.names.commands(NAMESPACE), receiver.partition, b"j", b"no command")
    bank.send(PutCoins(jar_id="j", pence=1, how="raises"), receiver.partition)
    receiver.run()
    assert letters(receiver) == 2
    with Engine(bank, bank_jars.receiver(), [receiver.partition], tmp_path) as elsewhere:
        assert letters(elsewhere) == 2


def test_a_stopped_partition_is_a_state_of_its_own(bank: Bank, table: Engine) -> None:
    bank.put(bank.names.events(NAMESPACE), table.partition, b"j", b"no event")
    bank.send(CoinsPut(jar_id="j", pence=1, how="raises"), table.partition)
    table.run()
    assert (table.counted("partitions", state="stopped"), table.counted("partitions", state="running")) == (1, 0)
    assert (letters(table), list(table.reader.stopped())) == (1, [table.partition])
    table.prepare()
    assert table.counted("partitions", state="stopped") == 0
