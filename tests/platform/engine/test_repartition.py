"""Re-keyed tables: each event once into the row of its new key, whatever fails, stops or is forgotten on its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from tests.kit.bank import Bank, Taken
from tests.kit.bank_tills import NAMESPACE, OWNERS, living_in, owners
from tests.kit.cluster import eventually
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.tills import CoinsMoved, OwnerRow
from verbwire.engine.builders.groups import table_topology
from verbwire.engine.group import BatchLimits
from verbwire.engine.restore.repartition_progress import RepartitionProgress
from verbwire.errors import FencedError
from verbwire.kafka.offsets import ClusterOffsets

pytestmark = pytest.mark.kafka


NUMBERS = count()  # of owners: each test has its own


class Till:
    """A table of owners on two partitions: events are put into `here`, most of them count `there`."""

    def __init__(self, branch: Bank, engine: Engine) -> None:
        self.branch = branch
        self.engine = engine
        self.here, self.there = engine.partitions
        self.topic = branch.names.events(NAMESPACE)
        self.repartition_topic = engine.topology.repartition or ""
        self.near, self.far, self.farther = (
            living_in(partition, branch.partitions, next(NUMBERS)) for partition in (self.here, self.there, self.there)
        )
        self.began = dict(engine.next)
        branch.mark(self.there)

    def move(self, pence: int, owner: str | None, how: str = "") -> int:
        """Put one event into `here`, and return its offset."""
        event = CoinsMoved(till_id="t", owner=owner, pence=pence, how=how)
        return self.branch.send(event, self.here, id=f"e{pence}")

    def settle(self, engine: Engine | None = None) -> None:
        """Deal with what is there, then with what was handed over."""
        for _ in range(2):
            (engine or self.engine).run_through()

    def rows(self, engine: Engine | None = None) -> dict[str, OwnerRow]:
        """The rows of both partitions."""
        held = [(engine or self.engine).held(partition) for partition in (self.here, self.there)]
        found = {row.owner: row for rows in held for row in rows.values() if isinstance(row, OwnerRow)}
        return {owner: row for owner, row in found.items() if owner in (self.near, self.far, self.farther)}

    def pence(self, engine: Engine | None = None) -> dict[str, int]:
        """What each owner has moved."""
        return {owner: row.pence for owner, row in self.rows(engine).items()}

    def repartitioned(self) -> Sequence[Taken]:
        """What was handed over to the other partition."""
        return self.branch.read(self.repartition_topic, self.there)

    def another(self, folder: Path, mended: bool = False, skips: Sequence[tuple[str, int, int]] = ()) -> Engine:
        """The same table, in another worker."""
        return Engine(self.branch, owners(mended), [self.here, self.there], folder, skips=skips)


@pytest.fixture(scope="module")
def running(branch: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(branch, owners(), [branch.partition()], tmp_path_factory.mktemp("owners")) as engine:
        yield engine


@pytest.fixture(scope="module")
def pair(branch: Bank) -> tuple[int, int]:
    """Two partitions that most tests of the module share."""
    return branch.partition(), branch.partition()


@pytest.fixture
def till(branch: Bank, running: Engine, pair: tuple[int, int]) -> Till:
    running.own(*pair)
    return Till(branch, running)


@pytest.fixture
def lone_till(branch: Bank, running: Engine) -> Till:
    """On two partitions of the test's own: something comes to a stop there, or is lost."""
    running.own(branch.partition(), branch.partition())
    return Till(branch, running)


def test_repartition_puts_rows_under_the_new_keys(till: Till) -> None:
    for pence in range(30):
        till.move(pence, (till.near, till.far, till.farther)[pence % 3])
    till.settle()
    assert till.pence() == {till.near: 135, till.far: 145, till.farther: 155}
    assert set(till.engine.held(till.there)) >= {till.far.encode(), till.farther.encode()}
    assert till.engine.inputs(till.here)[till.topic] - till.began[till.topic, till.here] == 30
    assert till.engine.inputs(till.there)[till.repartition_topic] == till.repartitioned()[-1].offset + 1
    assert len(till.repartitioned()) == 20
    till.engine.run()
    assert till.pence() == {till.near: 135, till.far: 145, till.farther: 155}


def test_repartition_forwards_a_record_unchanged_with_its_origin(till: Till) -> None:
    offset = till.move(5, till.far)
    till.settle()
    (source,) = till.branch.read(till.topic, till.here, offset)
    (record,) = till.repartitioned()
    assert (record.key, record.value) == (till.far.encode(), source.value)
    assert record.headers[:-1] == source.headers
    assert record.header("vw_source") == f"{till.topic}/{till.here}/{offset}/{source.timestamp}"


def test_repartition_keeps_the_context_of_the_record_as_first_written(till: Till) -> None:
    offsets = [till.move(1, till.near), till.move(2, till.far)]
    till.settle()
    written = till.branch.read(till.topic, till.here, offsets[0])
    times = [datetime.fromtimestamp(each.timestamp / 1000, UTC).isoformat() for each in written]
    told = [f"e{n + 1} {till.topic}/{till.here}/{offset} {times[n]}" for n, offset in enumerate(offsets)]
    assert {row.owner: row.seen for row in till.rows().values()} == {till.near: (told[0],), till.far: (told[1],)}


def test_repartition_keeps_the_order_of_one_key(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(till.engine.core, "batch", BatchLimits(records=7))
    for pence in range(40):
        till.move(pence, till.far)
    till.settle()
    assert [told.split()[0] for told in till.rows()[till.far].seen] == [f"e{pence}" for pence in range(40)]


def test_repartition_leaves_out_events_without_a_key(till: Till) -> None:
    till.move(1, None)
    offset = till.move(2, till.far)
    till.settle()
    assert till.pence() == {till.far: 2}
    assert till.engine.inputs(till.here)[till.topic] == offset + 1


@pytest.mark.parametrize("step", ["handing over", "folding"])
def test_repartition_counts_an_aborted_record_once(till: Till, step: str) -> None:
    till.move(1, till.near)
    till.move(2, till.far)
    if step == "folding":
        till.engine.run()
    mine = till.engine.membership
    till.engine.membership = replace(mine, generation=mine.generation + 1)
    with pytest.raises(FencedError):
        till.engine.run()
    till.engine.membership = mine
    till.engine.prepare()
    till.settle()
    assert till.pence() == {till.near: 1, till.far: 2}


@pytest.mark.parametrize("copies", ["here", "lost"])
def test_repartition_goes_on_after_a_takeover_in_the_middle(till: Till, tmp_path: Path, copies: str) -> None:
    for pence in range(1, 6):
        till.move(pence, till.far if pence % 2 else till.near)
    till.engine.run()  # handed over, not folded yet
    till.engine.core.release()
    with till.another(tmp_path if copies == "lost" else till.engine.folder) as other:
        till.move(10, till.far)
        till.settle(other)
        assert till.pence(other) == {till.near: 6, till.far: 19}


@pytest.mark.parametrize("step", ["handed over", "folded"])
@pytest.mark.parametrize("copies", ["here", "lost"])
def test_repartition_counts_nothing_twice_after_forgotten_offsets(till: Till, step: str, copies: str) -> None:
    """What was handed over left no row behind in its own partition, but the changelog says how far it was."""
    till.move(1, till.far)
    till.move(2, till.far)
    till.engine.run()
    if step == "folded":
        till.engine.run()
    till.engine.core.release()
    if copies == "lost":
        for partition in (till.here, till.there):
            till.engine.store(partition).unlink()
    till.branch.forget(till.engine.topology.group)
    till.engine.own(till.here, till.there)
    till.move(4, till.far)
    till.settle()
    assert till.pence() == {till.far: 7}


def test_repartition_records_lost_to_retention_stop_the_partition(lone_till: Till) -> None:
    till = lone_till
    till.move(1, till.far)
    till.engine.run()
    till.branch.cut_off(till.repartition_topic, till.there, 1)
    till.engine.own(till.here, till.there)
    (why,) = till.engine.core.stopped().items()
    assert why[0] == till.there
    assert f"{till.repartition_topic} has lost its records up to 1" in why[1]


def test_repartition_records_lost_after_they_were_folded_are_not_missed(lone_till: Till) -> None:
    """A quiet week takes the marks of transactions, too: the group stands behind them, not in front of them."""
    till, engine, place = lone_till, lone_till.engine, (lone_till.repartition_topic, lone_till.there)
    till.move(1, till.far)
    engine.run()
    (record,) = till.repartitioned()
    end = record.offset + 2  # the mark of its transaction is between
    engine.core.process(engine.fetch(), engine.membership, lambda: True, {place: end})
    eventually(lambda: engine.inputs(till.there)[till.repartition_topic] == end)
    till.branch.cut_off(till.repartition_topic, till.there, end)
    engine.own(till.here, till.there)
    assert engine.core.stopped() == {}
    assert engine.next[place] == end
    till.move(2, till.far)
    till.settle()
    assert till.pence() == {till.far: 3}


def test_repartition_key_that_raises_stops_the_partition(
    lone_till: Till, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    till = lone_till
    for how, said in [("no key", "RuntimeError: whose is it?"), ("empty key", "the key is empty")]:
        offset = till.move(1, till.far, how)
        till.engine.own(till.here, till.there)
        till.engine.run_through()
        (why,) = till.engine.core.stopped().values()
        assert f"stopped at {till.topic}/{till.here}/{offset}: the key of CoinsMoved here: " in why
        assert said in why
        assert f"its @rekeys raised at {till.topic}/{till.here}/{offset}: " in caplog.text
        with till.another(tmp_path / how, mended=True) as mended:
            till.settle(mended)
            assert till.pence(mended) == {till.far: offset + 1}


def test_repartition_names_both_places_where_a_handler_raises(lone_till: Till, tmp_path: Path) -> None:
    till = lone_till
    till.move(1, till.far)
    offset = till.move(2, till.far, "raises")
    till.move(4, till.far)
    till.settle()
    (stopped,) = till.engine.core.stopped().items()
    assert stopped[0] == till.there
    assert f"stopped at {till.repartition_topic}/{till.there}/1: " in stopped[1]
    assert f"raised RuntimeError, with {till.topic}/{till.here}/{offset}: the till is jammed" in stopped[1]
    assert till.pence() == {till.far: 1}
    with till.another(tmp_path, skips=[(till.repartition_topic, till.there, 1)]) as skipping:
        till.settle(skipping)
        assert till.pence(skipping) == {till.far: 5}
    (letter,) = till.branch.dead_letters(till.there, OWNERS)
    assert letter.header("vw_source") == f"{till.topic}/{till.here}/{offset}/{till.engine.fetch_all()[1].timestamp}"


@pytest.mark.parametrize(
    "headers",
    [[], [("vw_source", b"elsewhere")], [("vw_source", b"bank.jars.events/0/0/0")], [("vw_source", b"a/b/c/d")]],
)
def test_repartition_topic_records_of_others_are_not_counted(
    till: Till, headers: list[tuple[str, bytes | None]]
) -> None:
    offset = till.move(1, till.far)
    (source,) = till.branch.read(till.topic, till.here, offset)
    till.branch.put(till.repartition_topic, till.there, till.far.encode(), source.value, headers)
    till.settle()
    assert till.pence() == {till.far: 1}
    (letter,) = till.branch.dead_letters(till.there, OWNERS)
    assert letter.header("vw_reason") == "undecodable"


def test_repartition_topic_is_told_from_the_sources(branch: Bank) -> None:
    topology = table_topology(owners(), branch.codec, 1)
    assert topology.sources == (branch.names.events(NAMESPACE),)
    assert topology.repartition == f"{topology.group}-owners-repartition"
    assert topology.inputs == (*topology.sources, topology.repartition, f"{topology.group}.requests")


def test_repartition_progress_tells_how_far_the_own_topic_has_to_be_read(till: Till) -> None:
    """To its end, which is the mark of a transaction and no record: the partition is told to be there all the same."""
    engine, place = till.engine, (till.repartition_topic, till.there)
    cluster = ClusterOffsets(till.branch.kafka, engine.topology.group)
    over = RepartitionProgress(cluster, engine.topology.sources, till.repartition_topic, till.branch.partitions)
    wanted = {(till.topic, till.here): till.move(5, till.far) + 1, ("another.topic", 0): 7}
    assert over.resolve([wanted], {}) == [None]
    engine.run()
    end = (eventually(lambda: over.resolve([wanted], {})[0]) or {})[place]
    engine.run()
    assert till.pence() == {till.far: 5}
    assert engine.inputs(till.there)[till.repartition_topic] < end
    engine.core.process({}, engine.membership, lambda: True, {place: end})
    eventually(lambda: engine.inputs(till.there)[till.repartition_topic] == end, every=0.001)


def test_repartition_progress_of_before_a_restart_says_nothing(lone_till: Till) -> None:
    till, engine, place = lone_till, lone_till.engine, (lone_till.repartition_topic, lone_till.there)
    before = engine.reader.states[till.there].epoch
    engine.prepare()
    engine.core._note_read({place: 1000}, {till.there: before})
    assert engine.inputs(till.there)[till.repartition_topic] == 0
    engine.core._note_read({place: 1000}, {till.there: before + 1})
    assert engine.inputs(till.there)[till.repartition_topic] == 1000
    engine.core._note_read({place: 7}, {till.there: before + 1})
    assert engine.inputs(till.there)[till.repartition_topic] == 1000
