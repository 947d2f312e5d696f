"""Processes: each event and outcome leads on once; commands and state become visible together or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.kit import bank_jars
from tests.kit.bank import CATALOG, Bank, Taken
from tests.kit.bank import NAMESPACE as JARS
from tests.kit.bank_tills import NAMESPACE, SAVINGS, living_in, savings, silent_savings, taking
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import JarState, PutCoins, TakeCoins
from tests.kit.samples.bank.tills import CoinsMoved, SavingState
from verbwire.errors import FencedError
from verbwire.wire.headers import PROCESS_INSTANCE_HEADER
from verbwire.wire.process_command_ids import CommandIds
from verbwire.worker.table_sizes import TableSizes

pytestmark = pytest.mark.kafka

IDS = CommandIds(SAVINGS)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


NUMBERS = count()  # of owners: each test has its own


class Saving:
    """The process on two partitions: events are put into `here`, the owner's state and jar are `there`."""

    def __init__(self, branch: Bank, engine: Engine) -> None:
        self.branch = branch
        self.engine = engine
        self.here, self.there = engine.partitions
        self.owner = living_in(self.there, branch.partitions, next(NUMBERS))
        self.topic = branch.names.events(NAMESPACE)
        branch.mark(self.there)

    def move(self, pence: int, how: str = "", owner: str | None = None, id: str | None = None) -> int:
        """Put one event into `here`, and return its offset."""
        event = CoinsMoved(till_id="t", owner=owner or self.owner, pence=pence, how=how)
        return self.branch.send(event, self.here, id=id or f"e{pence}", correlation_id="flow", traceparent=TRACE)

    def settle(self, engine: Engine | None = None) -> None:
        """Deal with what is there, then with what was handed over."""
        for _ in range(2):
            (engine or self.engine).run_through()

    def state(self, engine: Engine | None = None) -> SavingState | None:
        """The state of the owner's process instance."""
        row = (engine or self.engine).held(self.there).get(self.owner.encode())
        assert row is None or isinstance(row, SavingState)
        return row

    def sent(self) -> list[tuple[Taken, PutCoins | TakeCoins]]:
        """The commands that the jar's partition holds."""
        topic = self.branch.names.commands(JARS)
        classes = {cls.__contract__: cls for cls in (PutCoins, TakeCoins)}
        decoder = self.branch.codec.topic_decoder(topic, JARS, classes)
        found = [(record, decoder.decode(record.value)) for record in self.branch.read(topic, self.there)]
        return [(record, command) for record, command in found if isinstance(command, PutCoins | TakeCoins)]

    def commands(self) -> list[PutCoins | TakeCoins]:
        """What these commands say."""
        return [command for _, command in self.sent()]

    def another(self, folder: Path, mended: bool = False, skips: Sequence[tuple[str, int, int]] = ()) -> Engine:
        """The same process, in another worker."""
        return Engine(self.branch, savings(mended), [self.here, self.there], folder, skips=skips)


@pytest.fixture(scope="module")
def running(branch: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(branch, savings(), [branch.partition()], tmp_path_factory.mktemp("savings")) as engine:
        yield engine


@pytest.fixture(scope="module")
def jars(branch: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The receiver of its commands."""
    with Engine(branch, bank_jars.receiver(), [branch.partition()], tmp_path_factory.mktemp("jars")) as engine:
        yield engine


@pytest.fixture(scope="module")
def pair(branch: Bank) -> tuple[int, int]:
    """Two partitions that most tests of the module share."""
    return branch.partition(), branch.partition()


@pytest.fixture
def saving(branch: Bank, running: Engine, pair: tuple[int, int]) -> Saving:
    running.own(*pair)
    return Saving(branch, running)


@pytest.fixture
def stopping(branch: Bank, running: Engine, pair: tuple[int, int]) -> Saving:
    """With states in a partition of the test's own: something comes to a stop there."""
    running.own(pair[0], branch.partition())
    return Saving(branch, running)


def test_how_long_the_oldest_instance_waits_is_known_also_of_a_restored_copy(saving: Saving, tmp_path: Path) -> None:
    saving.move(5)
    saving.settle()
    assert saving.state() is not None
    stepped = saving.engine.reader.oldest_step()
    assert stepped is not None
    assert 0 <= time.time() - stepped / 1000 < 600
    with saving.another(tmp_path) as other:
        restored = other.reader.oldest_step()
        assert restored is not None
        assert abs(restored - stepped) < 2000
        sizes = TableSizes(lambda: {"tills": other.reader, "table": other.reader}, ["tills"])
        sizes.look()
        other.metrics.process.tables(sizes.sizes)
        exposition = other.metrics.exposition().decode()
    (line,) = [line for line in exposition.splitlines() if line.startswith("verbwire_oldest_instance_seconds")]
    assert line.startswith('verbwire_oldest_instance_seconds{group="tills"} ')
    assert 0 <= float(line.rpartition(" ")[2]) - (time.time() - restored / 1000) + 5 < 10


def test_an_event_leads_to_state_and_commands(saving: Saving) -> None:
    saving.move(5)
    saving.move(7, "two commands")
    saving.settle()
    assert saving.state() == SavingState(owner=saving.owner, pence=12)
    assert saving.commands() == [
        PutCoins(jar_id=saving.owner, pence=5),
        PutCoins(jar_id=saving.owner, pence=7),
        TakeCoins(jar_id=saving.owner, pence=1),
    ]


def test_a_process_command_names_its_actor_and_its_cause(saving: Saving) -> None:
    saving.move(5, "two commands")
    saving.settle()
    for position, (record, command) in enumerate(saving.sent()):
        said = {name: value.decode() for name, value in record.headers}
        assert said.pop("ce_dataschema").startswith(f"urn:avro:{type(command).__contract__}:")
        assert said == {
            "ce_specversion": "1.0",
            "ce_type": type(command).__contract__,
            "ce_source": saving.engine.topology.group,
            "ce_id": IDS.id(saving.owner.encode(), "e5", CoinsMoved.__contract__, position)[0],
            "ce_correlationid": "flow",
            "ce_causationid": "e5",
            "ce_actor": SAVINGS,
            "ce_scopes": "jars:write",
            "traceparent": TRACE,
        }
        assert record.key == saving.owner.encode()


def test_outcomes_come_back_and_lead_on(saving: Saving, jars: Engine) -> None:
    jars.own(saving.there)
    saving.move(5)
    saving.move(bank_jars.FULL)
    saving.settle()
    jars.run()  # as scopes and actor allow it to: the first is accepted, for the second the jar is too full
    saving.settle()
    assert saving.state() == SavingState(
        owner=saving.owner, pence=5 + bank_jars.FULL, told=("Accepted of flow", "Rejected jar_full of flow")
    )
    jars.run()
    record, command = saving.sent()[-1]
    assert command == TakeCoins(jar_id=saving.owner, pence=1)
    assert record.header("ce_causationid") == f"{saving.sent()[1][0].header('ce_id')}:outcome"
    assert record.header("ce_correlationid") == "flow"
    saving.settle()  # the outcome of taking is nobody's business
    assert len(saving.sent()) == 3


def test_outcomes_of_others_are_passed_over(saving: Saving, jars: Engine) -> None:
    jars.own(saving.there)
    saving.branch.send(PutCoins(jar_id=saving.owner, pence=3), saving.there, id="somebody else's")
    jars.run()
    saving.settle()
    assert saving.state() is None
    assert saving.branch.dead_letters(saving.there, SAVINGS) == []
    outcomes = saving.branch.names.outcomes(JARS)
    (last,) = saving.branch.read(outcomes, saving.there)
    assert saving.engine.inputs(saving.there)[outcomes] == last.offset + 1


def test_a_redelivered_event_is_the_same_command(saving: Saving, jars: Engine) -> None:
    jars.own(saving.there)
    for _ in range(2):
        saving.move(5)
        saving.settle()
    first, second = saving.sent()
    assert first[0].header("ce_id") == second[0].header("ce_id")
    jars.run()
    assert len(saving.branch.outcomes(saving.there)) == 1
    assert jars.held(saving.there)[saving.owner.encode()] == JarState(jar_id=saving.owner, pence=5)


def test_a_dead_letter_is_made_of_an_event_whose_headers_cannot_be_inherited(saving: Saving) -> None:
    """Its commands would have to pass it on."""
    event = CoinsMoved(till_id="t", owner=saving.owner, pence=5)
    value = saving.branch.codec.encoder(CATALOG.of(event))(event)
    saving.branch.put(saving.topic, saving.here, b"t", value, [("ce_id", b"e"), ("ce_correlationid", b"\xff")])
    saving.settle()
    (letter,) = saving.branch.dead_letters(saving.there, SAVINGS)
    assert letter.header("vw_reason") == "undecodable"
    assert (saving.sent(), saving.state()) == ([], None)


@pytest.mark.parametrize("step", ["handing over", "leading"])
def test_an_aborted_transaction_leaves_no_command(saving: Saving, step: str) -> None:
    saving.move(5)
    if step == "leading":
        saving.engine.run()
    mine = saving.engine.membership
    saving.engine.membership = replace(mine, generation=mine.generation + 1)
    with pytest.raises(FencedError):
        saving.engine.run()
    saving.engine.membership = mine
    assert (saving.sent(), saving.state()) == ([], None)
    saving.engine.prepare()
    saving.settle()
    assert saving.commands() == [PutCoins(jar_id=saving.owner, pence=5)]


def test_takeover_by_another_worker_in_the_middle_of_a_process(saving: Saving, jars: Engine, tmp_path: Path) -> None:
    jars.own(saving.there)
    saving.move(5)
    saving.settle()
    jars.run()
    saving.move(7)
    saving.engine.run()  # handed over, not led on yet
    saving.engine.core.release()
    with saving.another(tmp_path) as other:
        saving.settle(other)
        assert saving.state(other) == SavingState(owner=saving.owner, pence=12, told=("Accepted of flow",))
        assert saving.commands() == [PutCoins(jar_id=saving.owner, pence=pence) for pence in (5, 7)]


@pytest.mark.parametrize("how", ["over", "over, with a command"])
def test_a_process_state_of_none_ends_the_instance(saving: Saving, how: str) -> None:
    saving.move(5, "no command")
    saving.settle()
    assert saving.state() == SavingState(owner=saving.owner, pence=5)
    saving.move(7, how)
    saving.settle()
    assert saving.state() is None
    assert saving.commands() == ([PutCoins(jar_id=saving.owner, pence=7)] if "command" in how else [])


STOPS = {
    "raises": "moved raised RuntimeError, with {source}: no such jar",
    "undeclared command": "ShakeJar is not among what this process sends",
    "command beyond its type": "bank.jars.PutCoins does not fit its schema",
    "command without key": "the key is empty",
    "no state": "a process returns SavingState or None first, not PutCoins",
    "state under another key": "is not the event's key",
}


@pytest.mark.parametrize("how", STOPS)
def test_a_handler_that_returns_what_it_must_not_stops_the_partition(
    stopping: Saving, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    saving = stopping
    saving.move(1)
    offset = saving.move(2, how)
    saving.move(4)
    saving.settle()
    (stopped,) = saving.engine.core.stopped().items()
    assert stopped[0] == saving.there
    assert STOPS[how].format(source=f"{saving.topic}/{saving.here}/{offset}") in stopped[1]
    assert saving.commands() == [PutCoins(jar_id=saving.owner, pence=1)]
    if how == "raises":
        (told,) = [each.getMessage() for each in caplog.records if "moved raised at" in each.getMessage()]
        assert told.endswith('raise RuntimeError("no such jar")')
        with saving.another(tmp_path, mended=True) as mended:
            saving.settle(mended)
        assert saving.commands() == [PutCoins(jar_id=saving.owner, pence=pence) for pence in (1, 2, 4)]


def test_a_key_too_long_for_an_id_leads_its_outcomes_back_all_the_same(stopping: Saving, jars: Engine) -> None:
    saving = stopping
    jars.own(saving.there)
    saving.owner = living_in(
        saving.there, saving.branch.partitions, next(NUMBERS), prefix="\U0001d11e" * 190
    )  # 760 bytes, and more
    saving.move(5)
    saving.branch.put(  # not even a command: its outcome has to come back as well
        saving.branch.names.commands(JARS),
        saving.there,
        saving.owner.encode(),
        b"?",
        [("ce_id", b"x"), ("ce_correlationid", b"flow"), (PROCESS_INSTANCE_HEADER, saving.owner.encode())],
    )
    saving.settle()
    jars.run()
    saving.settle()
    assert saving.state() == SavingState(owner=saving.owner, pence=5, told=("Accepted of flow",))
    unreadable, accepted = sorted(saving.branch.ledger(saving.there), key=lambda each: each.header("ce_id") or "")[::-1]
    assert [each.header(PROCESS_INSTANCE_HEADER) for each in (unreadable, accepted)] == [saving.owner] * 2
    assert [each.header("ce_correlationid") for each in (unreadable, accepted)] == ["flow"] * 2


def test_a_key_too_long_for_a_header_stops_the_partition_and_can_be_skipped(stopping: Saving, tmp_path: Path) -> None:
    saving = stopping
    saving.owner = living_in(saving.there, saving.branch.partitions, prefix="long" * 3000)
    saving.move(1)
    saving.settle()
    (why,) = saving.engine.core.stopped().values()
    assert "this one has 1200" in why
    own = saving.engine.topology.repartition or ""
    with saving.another(tmp_path, skips=[(own, saving.there, 0)]) as skipping:
        saving.settle(skipping)
        assert skipping.core.stopped() == {}


def test_an_outcome_tells_which_of_several_commands_was_answered(
    stopping: Saving, jars: Engine, tmp_path: Path
) -> None:
    saving = stopping
    jars.own(saving.there)
    saving.move(5, "tagged")
    saving.settle()
    saving.engine.core.release()
    jars.run()
    with saving.another(tmp_path) as other:  # a restart later
        saving.settle(other)
        assert saving.state(other) == SavingState(
            owner=saving.owner, pence=5, told=("Accepted of first", "Rejected jar_full of second")
        )


def test_a_topic_that_the_group_once_read_and_no_longer_does_is_named_at_the_start(
    stopping: Saving, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saving = stopping
    saving.move(5)
    saving.settle()
    saving.engine.core.release()
    caplog.clear()
    with Engine(saving.branch, silent_savings(), [saving.here, saving.there], tmp_path) as engine:
        assert engine.held(saving.there) == {saving.owner.encode(): SavingState(owner=saving.owner, pence=5)}
    (told,) = [each.getMessage() for each in caplog.records if "has read" in each.getMessage()]
    assert saving.branch.names.outcomes(JARS) in told


@pytest.mark.parametrize("case", ["under way", "over", "ignored"])
def test_an_outcome_that_nobody_hears_any_more_is_passed_over_only_where_nobody_waits_for_it(
    stopping: Saving, jars: Engine, tmp_path: Path, case: str
) -> None:
    saving = stopping
    jars.own(saving.there)
    saving.move(5)
    if case == "over":
        saving.move(1, "over")
    saving.settle()
    saving.engine.core.release()
    jars.run()
    next_version = taking(ignores=case == "ignored")
    with Engine(saving.branch, next_version, [saving.here, saving.there], tmp_path) as engine:
        saving.settle(engine)
        stopped = engine.core.stopped()
    if case != "under way":
        assert stopped == {}
        return
    (outcome,) = saving.branch.ledger(saving.there)
    assert f"{outcome.topic}/{outcome.partition}/{outcome.offset}" in stopped[saving.there]
    assert "no handler for the outcome of bank.jars.PutCoins (ACCEPTED)" in stopped[saving.there]
    assert "@outcome_of, or say ignores=[PutCoins]" in stopped[saving.there]


UNREADABLE: dict[str, tuple[str, bytes | None, list[tuple[str, bytes]], str]] = {
    "no outcome": ("", b"?", [], "the outcome cannot be read"),
    "no key": ("long" * 200, None, [], "is missing: its receiver is older than the process"),
    "another's key": ("long" * 200, None, [(PROCESS_INSTANCE_HEADER, b"x")], "is of another one"),
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_an_outcome_of_its_own_that_cannot_be_read_is_waited_for_and_stops_the_partition(
    stopping: Saving, how: str
) -> None:
    saving, (key, value, more, said) = stopping, UNREADABLE[how]
    saving.move(5)
    saving.settle()
    id, _ = IDS.id((key or saving.owner).encode(), "e5", CoinsMoved.__contract__, 0)
    outcomes = saving.branch.names.outcomes(JARS)
    headers: list[tuple[str, bytes | None]] = [("ce_causationid", id.encode()), *more]
    offset = saving.branch.put(outcomes, saving.there, b"k", value, headers)
    saving.settle()
    (why,) = saving.engine.core.stopped().values()
    assert f"{outcomes}/{saving.there}/{offset}" in why
    assert said in why
