"""What operators ask of process instances: each is done once, and what fits no more changes nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit import bank_jars
from tests.kit.bank import NAMESPACE as JARS
from tests.kit.bank import Bank
from tests.kit.bank_tills import SAVINGS, living_in
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import JarState, PutCoins, TakeCoins
from tests.kit.samples.bank.tills import CoinsMoved, SavingState
from verbwire import Outcome, Process
from verbwire.client.base.connection import Connection
from verbwire.kafka.record import ConsumedRecord
from verbwire.requests.sender import Asked, RequestSender
from verbwire.wire.records.instance_requests import CANCEL, HEAR, SEND_AGAIN, carried
from verbwire.wire.records.process_instances import read_instance

pytestmark = pytest.mark.kafka
NUMBERS = count()


def undoing(how: str = "") -> Process[SavingState]:
    """A process that takes back what it has put into the jar when it is cancelled."""
    process = Process(SAVINGS, state=SavingState, sends=[PutCoins, TakeCoins], scopes=["jars:write"])

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        owner = event.owner or ""
        state = replace(state or SavingState(owner=owner), pence=event.pence)
        return state, PutCoins(jar_id=owner, pence=event.pence)

    @process.outcome_of(PutCoins)
    @process.outcome_of(TakeCoins)
    def answered(state: SavingState | None, outcome: Outcome) -> Any:
        return state and replace(state, told=(*state.told, type(outcome).__name__))

    @process.due("payment")
    def due(state: SavingState) -> None:
        return None

    if how == "undeclared":
        return process

    @process.cancelled
    def cancelled(state: SavingState, reason: str) -> Any:
        if how == "raises":
            raise RuntimeError("it cannot be undone")
        told = replace(state, told=(*state.told, f"cancelled: {reason}"))
        return told, TakeCoins(jar_id=state.owner, pence=state.pence)

    return process


class Branch:
    """One partition with one instance, its jar, and an operator."""

    def __init__(self, bank: Bank, sender: RequestSender, engine: Engine, jars: Engine) -> None:
        self.bank, self.sender, self.engine, self.jars = bank, sender, engine, jars
        self.partition = bank.partition()
        engine.own(self.partition)
        jars.own(self.partition)
        bank.mark(self.partition)
        self.owner = living_in(self.partition, bank.partitions, next(NUMBERS), prefix="q")
        bank.send(CoinsMoved(till_id="t", owner=self.owner, pence=5), self.partition)
        self.settle()

    def settle(self) -> None:
        for _ in range(3):
            self.engine.run_through()

    def ask(self, kind: str, details: dict[str, str] | None = None) -> None:
        asked = Asked(kind=kind, partition=self.partition, key=self.owner.encode(), details=details or {})
        self.sender.ask(SAVINGS, [asked], "ann", "too late")
        self.settle()

    def told(self) -> tuple[str, ...] | None:
        state = self.engine.held(self.partition).get(self.owner.encode())
        assert state is None or isinstance(state, SavingState)
        return None if state is None else state.told

    def record(self) -> Any:
        found = dict(self.engine.ask(self.partition, "select key, f_0instance from rows"))
        return read_instance(found[self.owner.encode()])

    def sent(self) -> list[Any]:
        return self.bank.read(self.bank.names.commands(JARS), self.partition)

    def carried(self, record: Any) -> dict[str, str]:
        place = (record.topic, record.partition, record.offset, record.timestamp)
        return carried(ConsumedRecord(*place, record.key, record.value, record.headers))


@pytest.fixture(scope="module")
def sender(branch: Bank) -> Iterator[RequestSender]:
    connection = Connection(branch.cluster.bootstrap, branch.cluster.registry_url, branch.names, branch.codec.catalog)
    with closing(RequestSender(connection, branch.registry)) as opened:
        yield opened


@pytest.fixture(scope="module")
def jars(branch: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(branch, bank_jars.receiver(), [branch.partition()], tmp_path_factory.mktemp("jars")) as engine:
        yield engine


@pytest.fixture(scope="module")
def engine(branch: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(branch, undoing(), [branch.partition()], tmp_path_factory.mktemp("savings")) as engine:
        yield engine


@pytest.fixture
def till(branch: Bank, sender: RequestSender, engine: Engine, jars: Engine) -> Branch:
    return Branch(branch, sender, engine, jars)


def test_a_process_instance_that_is_cancelled_is_undone_once(till: Branch) -> None:
    till.ask(CANCEL)
    assert till.told() == ("cancelled: too late",)
    record = till.record()
    assert (record.step, [each.command for each in record.waits.values()]) == ("cancelled", [TakeCoins.__contract__])
    till.jars.run()
    till.settle()
    # The coins were put in, and taken out again; the outcome of putting is not waited for any more, and told as ever.
    assert till.jars.held(till.partition)[till.owner.encode()] == JarState(jar_id=till.owner, pence=0)
    assert till.record().waits == {}


@pytest.mark.parametrize("how", ["undeclared", "raises"])
def test_a_process_that_does_not_say_how_it_is_undone_is_over_when_cancelled_and_one_that_fails_stays(
    branch: Bank, sender: RequestSender, jars: Engine, tmp_path: Path, how: str
) -> None:
    with Engine(branch, undoing(how), [branch.partition()], tmp_path) as engine:
        till = Branch(branch, sender, engine, jars)
        till.ask(CANCEL)
        if how == "undeclared":
            assert till.told() is None
            till.jars.run()
            till.settle()  # the outcome finds nobody
        else:
            assert till.record().trouble.endswith("it cannot be undone")
            assert engine.core.stopped() == {}
        assert till.told() == (None if how == "undeclared" else ())
        assert len(till.sent()) == 1


def test_a_process_command_that_is_waited_for_is_sent_again_under_its_id_and_no_other(till: Branch) -> None:
    (first,) = till.sent()
    till.ask(SEND_AGAIN, till.carried(first))
    again = till.sent()
    assert [each.header("ce_id") for each in again] == [first.header("ce_id")] * 2
    till.jars.run()
    till.settle()
    assert till.told() == ("Accepted",)
    assert till.jars.held(till.partition)[till.owner.encode()] == JarState(jar_id=till.owner, pence=5)
    till.ask(SEND_AGAIN, till.carried(first))  # it has its outcome
    assert len(till.sent()) == 2
    foreign = replace_id(till.carried(first), first.header("ce_id"), "bank.savings/AAAA/" + "0" * 32)
    till.ask(SEND_AGAIN, foreign)
    assert len(till.sent()) == 2


def replace_id(details: dict[str, str], id: str, other: str) -> dict[str, str]:
    return {"record": details["record"].replace(b64encode(id.encode()).decode(), b64encode(other.encode()).decode())}


def test_a_process_outcome_that_is_handed_over_is_heard_once_also_when_it_comes_by_itself(till: Branch) -> None:
    till.jars.run()
    (outcome,) = till.bank.ledger(till.partition)
    asked = Asked(kind=HEAR, partition=till.partition, key=till.owner.encode(), details=till.carried(outcome))
    till.sender.ask(SAVINGS, [asked, asked], "ann")
    requests = (till.engine.topology.requests.topic, till.partition)  # type: ignore[union-attr]
    alone = {requests: till.engine.fetch()[requests]}  # before its own log is read
    till.engine.core.process(alone, till.engine.membership, lambda: True)
    till.engine.next[requests] = alone[requests][-1].offset + 1
    till.settle()
    assert till.told() == ("Accepted",)
    assert till.record().waits == {}
