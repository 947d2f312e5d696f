"""States of an aggregate are exchanged for those that its events make anew, between two commands, and put back."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.bank import CATALOG, NAMESPACE, RECEIVER, Bank
from tests.kit.cluster import Cluster, eventually
from tests.kit.engine_runner import Engine
from tests.kit.rebuilds import MARK, close_with_all
from tests.kit.samples.bank.jars import CoinsPut, JarState, PutCoins
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.fold import AggregateFold
from verbwire.deploy.group_plan import GroupPlan, group_topics
from verbwire.deploy.target import Target
from verbwire.deploy.topics import ClusterTopics
from verbwire.engine.exchange import exchanger
from verbwire.engine.exchange.exchanger import PartitionExchange, RowExchanger
from verbwire.errors import FencedError, NewerSchemaError, UndecodableError
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.rebuilds import ExchangeFact, RowExchange

pytestmark = pytest.mark.kafka

PARTITIONS = 8
FOLDED, BACK = RowExchange(rows=1, kept=2), RowExchange(rows=2, kept=3, whole=False)


def jars(base: int = 0) -> Aggregate[JarState]:
    """A receiver whose events say which state they were decided on; `base` is what a state has more than is in it."""
    jars = Aggregate("bank.jars", state=JarState)

    @jars.handles
    def put(command: PutCoins, jar: JarState | None) -> CoinsPut:
        return CoinsPut(jar_id=command.jar_id, pence=command.pence, how=str(jar.pence if jar else 0))

    @jars.applies
    def coins_put(jar: JarState | None, event: CoinsPut) -> JarState:
        return JarState(jar_id=event.jar_id, pence=(jar.pence if jar else base) + event.pence)

    return jars


@dataclass
class Exchanged:
    """An aggregate in one partition, and generations of its states beside it."""

    bank: Bank
    folder: Path
    partition: int
    opened: ExitStack
    decides: Engine

    def put(self, jar: str, id: str) -> None:
        self.bank.send(PutCoins(jar_id=jar, pence=1), self.partition, id=id)

    def fold(self, number: int, base: int = MARK, *, only_kept: bool = False) -> Engine:
        """Bring a generation to the end of the events."""
        codec = Codec(CATALOG, self.bank.registry, self.bank.names.of_generation(RECEIVER, number))
        fold = AggregateFold(jars(base), only_kept)
        engine = Engine(self.bank, fold, [self.partition], self.folder / str(number), codec=codec)
        self.opened.enter_context(engine).run()
        return engine

    def exchange(self, wanted: RowExchange) -> None:
        """Have it take the states of a generation, as a worker is told to."""
        its = self.decides.core.exchanger
        assert its is not None
        its.told(wanted, lambda: True)
        self.work()

    def work(self, is_live: Callable[[], bool] = lambda: True) -> None:
        """Let it do what it is due to without a record, until there is nothing more."""

        def done() -> bool:
            if self.decides.core.is_due():
                self.decides.core.process({}, self.decides.membership, is_live)
            return self.decides.core.idle_seconds() is None

        eventually(done)

    def states(self) -> dict[str, int]:
        return {key.decode(): row.pence for key, row in self.decides.rows().items() if isinstance(row, JarState)}

    def decided_on(self) -> list[tuple[str, str]]:
        """Which command has led to each event, and on which state it was decided."""
        decode = self.bank.codec.topic_decoder("events", NAMESPACE, {CoinsPut.__contract__: CoinsPut}).decode
        events = [(each.header("ce_causationid"), decode(each.value)) for each in self.bank.events(self.partition)]
        return [(id or "", event.how) for id, event in events if isinstance(event, CoinsPut)]


@pytest.fixture(scope="module")
def branch(cluster: Cluster) -> Iterator[Bank]:
    """A bank of few partitions, with topics for the generations of its receiver's states."""
    opened = Bank(cluster, f"x{uuid.uuid4().hex[:10]}", PARTITIONS)
    target = Target(cluster.bootstrap, cluster.registry_url, opened.names)
    plan = GroupPlan.folding(jars())
    names = [opened.names.of_generation(RECEIVER, number) for number in (1, 2, 3)]
    ClusterTopics(target).create([topic for each in names for topic in group_topics(each, plan, PARTITIONS)])
    try:
        yield opened
    finally:
        close_with_all(opened)


@pytest.fixture
def exchanged(branch: Bank, tmp_path: Path) -> Iterator[Exchanged]:
    partition = branch.partition()
    with ExitStack() as opened:
        decides = opened.enter_context(Engine(branch, jars(), [partition], tmp_path / "decides"))
        yield Exchanged(branch, tmp_path, partition, opened, decides)


def test_exchanged_states_decide_the_next_command_and_ids_are_known_still(exchanged: Exchanged) -> None:
    for id in ("c1", "c2"):
        exchanged.put("a", id)
    exchanged.put("b", "c3")
    exchanged.decides.run()
    exchanged.fold(1)
    exchanged.exchange(FOLDED)
    assert exchanged.states() == {"a": MARK + 2, "b": MARK + 1}
    exchanged.put("a", "c1")  # again
    exchanged.decides.run()
    exchanged.decides.prepare()  # as after a restart
    exchanged.put("b", "c3")  # again
    exchanged.put("a", "c4")
    exchanged.put("c", "c5")
    exchanged.decides.run()
    assert exchanged.decided_on()[3:] == [("c4", str(MARK + 2)), ("c5", "0")]
    exchanged.decides.prepare()  # as after a restart
    assert exchanged.states() == {"a": MARK + 3, "b": MARK + 1, "c": 1}

    kept = exchanged.fold(2, only_kept=True)
    assert kept.counted_pence() == 3 + 1, "those that were replaced, with the events since; none that began since"
    exchanged.exchange(BACK)
    assert exchanged.states() == {"a": 3, "b": 1, "c": 1}
    exchanged.put("b", "c6")
    exchanged.decides.run()
    assert exchanged.decided_on()[-1] == ("c6", "1")
    assert len(exchanged.bank.outcomes(exchanged.partition)) == 6


def test_an_exchange_that_is_begun_is_ended_before_the_next_command_by_whoever_owns_the_partition(
    exchanged: Exchanged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanger, "ROWS_AT_ONCE", 1)
    for n, jar in enumerate("abc"):
        exchanged.put(jar, f"c{n}")
    exchanged.decides.run()
    exchanged.fold(1)
    decides, asked = exchanged.decides, iter([True, True, True, False])  # it is taken away after the first transaction
    its = decides.core.exchanger
    assert its is not None
    its.told(FOLDED, lambda: True)
    with pytest.raises(FencedError):
        exchanged.work(lambda: next(asked))
    its.told(None, lambda: False)  # nobody says what is wanted any more
    for n, jar in enumerate("abc"):
        exchanged.put(jar, f"d{n}")
    decides.prepare()
    assert sorted(exchanged.states().values()) == [1, 1, MARK + 1], "one was exchanged"
    decides.run()
    assert exchanged.decided_on()[3:] == [(f"d{n}", str(MARK + 1)) for n in range(3)]
    assert exchanged.states() == dict.fromkeys("abc", MARK + 2)


def _unreadable(_: PartitionExchange) -> None:
    raise NewerSchemaError("the states are of version 2 of bank.jars.JarState, this code knows 1")


def _no_fact(_: bytes) -> ExchangeFact:
    raise UndecodableError("the fact about an exchange cannot be read: of another form")


@pytest.mark.parametrize(
    ("older", "why"),
    [
        ((PartitionExchange, "require_readable", _unreadable), "generation 1, which this code cannot read: the states"),
        ((exchanger, "read_exchange", _no_fact), "Start workers of the release that wrote it"),
    ],
)
def test_an_exchange_that_is_begun_and_that_older_code_cannot_end_stops_its_partition_with_the_reason(
    exchanged: Exchanged, monkeypatch: pytest.MonkeyPatch, older: tuple[object, str, object], why: str
) -> None:
    monkeypatch.setattr(exchanger, "ROWS_AT_ONCE", 1)
    for n, jar in enumerate("ab"):
        exchanged.put(jar, f"c{n}")
    decides, asked = exchanged.decides, iter([True, True, True, False])
    decides.run()
    exchanged.fold(1)
    its = decides.core.exchanger
    assert its is not None
    its.told(FOLDED, lambda: True)
    with pytest.raises(FencedError):
        exchanged.work(lambda: next(asked))
    exchanged.put("a", "d0")
    with monkeypatch.context() as patched:
        patched.setattr(*older)
        decides.prepare()
        decides.core.process({}, decides.membership, lambda: True)  # again and again, and nothing else, before
        assert why in decides.core.stopped()[exchanged.partition]
    decides.prepare()  # as newer code would
    decides.run()
    assert exchanged.decided_on()[-1] == ("d0", str(MARK + 1))


def test_no_exchange_begins_with_a_generation_that_is_behind(
    exchanged: Exchanged, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exchanger, "_HOLD_SECONDS", 0.3)
    exchanged.put("a", "c1")
    exchanged.decides.run()
    exchanged.fold(1)
    exchanged.put("a", "c2")
    exchanged.decides.run()
    decides, its = exchanged.decides, exchanged.decides.core.exchanger
    assert its is not None
    its.told(FOLDED, lambda: True)

    def tried() -> bool:
        decides.core.process({}, decides.membership, lambda: True)
        return "is behind the events" in caplog.text

    eventually(tried)
    exchanged.put("a", "c3")
    decides.run()
    assert exchanged.decided_on()[-1] == ("c3", "2")
    assert exchanged.states() == {"a": 3}


def _lose_ids(_: RowExchanger, exchange: PartitionExchange) -> None:
    with closing(sqlite3.connect(exchange.cache.store.path)) as copy:
        copy.execute("delete from answers")
        copy.commit()


BUGS: dict[str, tuple[object, str, object]] = {
    "ids are lost": (RowExchanger, "over", _lose_ids),
    "events are lost": (exchanger, "has_records", lambda *_: False),
}


def _wrong(exchanged: Exchanged, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Exchange while the generation is behind, then when it is not; return what is wrong with the events after that."""
    monkeypatch.setattr(exchanger, "_HOLD_SECONDS", 0.3)
    decides, wrong = exchanged.decides, list[str]()
    for id in ("c1", "c2"):
        exchanged.put("a", id)
    decides.run()
    generation = exchanged.fold(1)
    exchanged.put("a", "c3")
    decides.run()
    its = decides.core.exchanger
    assert its is not None
    its.told(FOLDED, lambda: True)
    end = time.monotonic() + 2
    while time.monotonic() < end and its.seconds() is not None:
        decides.core.process({}, decides.membership, lambda: True)
    generation.run()
    exchanged.exchange(FOLDED)
    decides.prepare()
    for id in ("c1", "c3", "c4"):
        exchanged.put("a", id)
    decides.run()
    found = exchanged.decided_on()
    if [id for id, _ in found] != ["c1", "c2", "c3", "c4"]:
        wrong.append(f"decided: {found}")
    wrong += [f"{id} on {how} after {n} events" for n, (id, how) in enumerate(found) if int(how) % MARK != n]
    return wrong


@pytest.mark.chaos
def test_an_exchange_with_its_rules_is_right(exchanged: Exchanged, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not _wrong(exchanged, monkeypatch)


@pytest.mark.chaos
@pytest.mark.parametrize("bug", BUGS)
def test_an_exchange_without_its_rule_is_found_out(
    exchanged: Exchanged, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    target, name, broken = BUGS[bug]
    monkeypatch.setattr(target, name, broken)
    assert _wrong(exchanged, monkeypatch)
