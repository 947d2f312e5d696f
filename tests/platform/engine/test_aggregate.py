"""Commands: one outcome each, in the command's own partition, with events that say where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import bank_jars
from tests.kit.bank import CATALOG, RECEIVER, Bank
from tests.kit.engine_runner import Engine
from tests.kit.foreign_writer import without_bounds
from tests.kit.samples.bank.jars import CoinsPut, JarState, PutCoins, ShakeJar, TakeCoins
from verbwire.contracts.schema.bounds import KEY_LENGTH
from verbwire.principal import Principal
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.records.outcomes import EventPosition, OutcomeStatus

pytestmark = pytest.mark.kafka

PUT = PutCoins(jar_id="j", pence=5)


def test_an_accepted_command_has_an_outcome_an_event_and_a_state(bank: Bank, receiver: Engine, partition: int) -> None:
    offset = bank.send(PUT, partition, id="c1", correlation_id="flow", causation_id="cause", actor="ann")
    receiver.run()
    (event,), (line,) = bank.events(partition), bank.outcomes(partition)
    assert line.command_id == "c1"
    assert line.command == "bank.jars.PutCoins"
    assert (line.status, line.code, line.reason, line.details) == (OutcomeStatus.ACCEPTED, None, None, {})
    assert (line.partition, line.offset) == (partition, offset)
    assert line.events == (EventPosition(topic=event.topic, partition=partition, offset=event.offset),)
    assert line.fingerprint == bank.codec.encoder(CATALOG.of(PUT)).fingerprint(PUT)
    assert event.key == b"j"
    decoder = bank.codec.topic_decoder(event.topic, "bank.jars", {CoinsPut.__contract__: CoinsPut})
    assert decoder.decode(event.value) == CoinsPut(jar_id="j", pence=5)
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=5)}
    assert bank.dead_letters(partition) == []


def test_an_events_headers_name_actor_source_and_cause(bank: Bank, receiver: Engine, partition: int) -> None:
    bank.send(PutCoins(jar_id="j", pence=5, how="two events"), partition, id="c1", correlation_id="flow", actor="ann")
    bank.send(PUT, partition, id="c2", traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01", actor="bob")
    receiver.run()
    first, second, third = bank.events(partition)
    assert [event.header("ce_id") for event in (first, second, third)] == ["c1:0", "c1:1", "c2:0"]
    assert first.header("ce_specversion") == "1.0"
    assert first.header("ce_type") == "bank.jars.CoinsPut"
    assert first.header("ce_source") == bank.names.group(RECEIVER)
    contract = CATALOG.find("bank.jars.CoinsPut")
    assert first.header("ce_dataschema") == f"urn:avro:bank.jars.CoinsPut:{contract.fingerprint}"
    assert [event.header("ce_correlationid") for event in (first, second, third)] == ["flow", "flow", "c2"]
    assert [event.header("ce_causationid") for event in (first, second, third)] == ["c1", "c1", "c2"]
    assert [event.header("ce_actor") for event in (first, second, third)] == ["ann", "ann", "bob"]
    assert [event.header("traceparent") for event in (first, third)] == [
        None,
        "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    ]
    assert first.header("ce_scopes") is None  # what the sender was allowed is no business of those who hear the event


def test_a_rejected_command_changes_nothing_and_says_why(bank: Bank, receiver: Engine, partition: int) -> None:
    def outcomes_counted(status: str, code: str) -> float:
        return receiver.counted("outcomes_total", command="bank.jars.PutCoins", status=status, code=code)

    accepted, refused = outcomes_counted("accepted", ""), outcomes_counted("rejected", "jar_full")
    bank.send(PutCoins(jar_id="j", pence=999_999), partition, id="c1")
    offset = bank.send(PUT, partition, id="c2")
    bank.send(TakeCoins(jar_id="j", pence=999_999), partition, id="c3")
    receiver.run()
    outcomes = {line.command_id: line for line in bank.outcomes(partition)}
    assert [line.status for line in outcomes.values()] == ["ACCEPTED", "REJECTED", "ACCEPTED"]
    no = outcomes["c2"]
    assert (no.code, no.reason, no.details) == ("jar_full", "999999 are in it", {"room": "1"})
    assert (no.partition, no.offset, no.events) == (partition, offset, ())
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=0)}
    assert [event.header("ce_causationid") for event in bank.events(partition)] == ["c1", "c3"]
    assert bank.dead_letters(partition) == []
    assert (outcomes_counted("accepted", ""), outcomes_counted("rejected", "jar_full")) == (accepted + 1, refused + 1)


def test_several_events_of_one_command_stand_in_order(bank: Bank, receiver: Engine, partition: int) -> None:
    bank.send(PutCoins(jar_id="j", pence=5, how="two events"), partition, id="c1")
    bank.send(PutCoins(jar_id="j", pence=1, how="no event"), partition, id="c2")
    receiver.run()
    events = bank.events(partition)
    both, none = bank.outcomes(partition)
    assert [place.offset for place in both.events] == [event.offset for event in events]
    assert (none.status, none.events) == (OutcomeStatus.ACCEPTED, ())
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=6)}


def test_a_duplicate_id_changes_nothing(bank: Bank, receiver: Engine, partition: int) -> None:
    known = receiver.counted("duplicates_total")
    for _ in range(2):
        bank.send(PUT, partition, id="c1")  # in one batch
        bank.send(TakeCoins(jar_id="j", pence=50), partition, id="c2")
    receiver.run()
    bank.send(PUT, partition, id="c1")  # in another
    bank.send(TakeCoins(jar_id="j", pence=50), partition, id="c2")
    receiver.run()
    assert [line.command_id for line in bank.outcomes(partition)] == ["c1", "c2"]
    assert len(bank.events(partition)) == 1
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=5)}
    assert bank.dead_letters(partition) == []
    assert receiver.counted("duplicates_total") == known + 4


def test_a_reused_id_with_another_payload_is_refused(bank: Bank, receiver: Engine, partition: int) -> None:
    bank.send(PUT, partition, id="c1")
    bank.send(PutCoins(jar_id="j", pence=6), partition, id="c1")
    receiver.run()
    bank.send(PutCoins(jar_id="j", pence=7), partition, id="c1")
    receiver.run()
    assert [line.command_id for line in bank.outcomes(partition)] == ["c1"]
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=5)}
    letters = bank.dead_letters(partition)
    assert [letter.header("vw_reason") for letter in letters] == ["id-reused", "id-reused"]
    assert [letter.header("vw_offset") for letter in letters] == ["1", "2"]
    assert "c1" in (letters[0].header("vw_detail") or "")


@pytest.mark.parametrize("lost", ["nothing", "file", "folder of another worker"])
def test_a_duplicate_id_is_known_after_a_restart(bank: Bank, partition: int, tmp_path: Path, lost: str) -> None:
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path) as before:
        bank.send(PUT, partition, id="c1")
        bank.send(TakeCoins(jar_id="j", pence=50), partition, id="c2")
        before.run()
    if lost == "file":
        before.store(partition).unlink()
    folder = tmp_path / "another" if lost == "folder of another worker" else tmp_path
    with Engine(bank, bank_jars.receiver(), [partition], folder, worker=before.worker) as after:
        bank.send(PUT, partition, id="c1")
        bank.send(TakeCoins(jar_id="j", pence=50), partition, id="c2")
        bank.send(PutCoins(jar_id="j", pence=6), partition, id="c1")
        bank.send(PUT, partition, id="c3")
        after.run()
        assert after.rows() == {b"j": JarState(jar_id="j", pence=10)}
    assert [line.command_id for line in bank.outcomes(partition)] == ["c1", "c2", "c3"]
    assert [event.header("ce_id") for event in bank.events(partition)] == ["c1:0", "c3:0"]
    assert [letter.header("vw_reason") for letter in bank.dead_letters(partition)] == ["id-reused"]


def test_a_command_without_an_id_is_known_by_its_place(bank: Bank, receiver: Engine, partition: int) -> None:
    """A foreign producer may give no headers at all."""
    topic = bank.names.commands("bank.jars")
    value = bank.codec.encoder(CATALOG.find("bank.jars.ShakeJar"))(ShakeJar(jar_id="j"))
    offsets = [bank.put(topic, partition, b"j", value) for _ in range(2)]
    receiver.run()
    assert [line.command_id for line in bank.outcomes(partition)] == [f"{topic}/{partition}/{n}" for n in offsets]
    assert [event.header("ce_causationid") for event in bank.events(partition)] == [
        f"{topic}/{partition}/{n}" for n in offsets
    ]


def test_a_permission_that_is_missing_is_a_rejection(bank: Bank, receiver: Engine, partition: int) -> None:
    take = TakeCoins(jar_id="j", pence=1)
    bank.send(PUT, partition, id="c0")
    bank.send(take, partition, id="none", scopes=())
    bank.send(take, partition, id="other", scopes=("jars:read", "jars:writer"))
    bank.send(take, partition, id="nobody", actor=None, scopes=("jars:write",))
    bank.send(take, partition, id="enough", scopes=("a", "jars:write"))
    receiver.run()
    outcomes = {line.command_id: line for line in bank.outcomes(partition)}
    assert [outcomes[each].status for each in ("none", "other", "enough")] == ["REJECTED", "REJECTED", "ACCEPTED"]
    assert (outcomes["none"].code, outcomes["none"].reason) == ("forbidden", "TakeCoins requires jars:write")
    assert bank.dead_letters(partition) == []


def test_a_permission_given_later_lets_the_same_command_through(bank: Bank, partition: int, tmp_path: Path) -> None:
    """It says nothing of the command that it was not allowed, so its id is not answered for good."""
    take = TakeCoins(jar_id="j", pence=1)
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path) as before:
        bank.send(PUT, partition, id="c0")
        bank.send(take, partition, id="now", scopes=())
        bank.send(take, partition, id="later", scopes=())
        before.run()
        bank.send(take, partition, id="now", scopes=("jars:write",))
        before.run()
    with Engine(bank, bank_jars.receiver(), [partition], tmp_path / "another", worker=before.worker) as after:
        bank.send(take, partition, id="later", scopes=("jars:write",))
        bank.send(take, partition, id="later", scopes=())  # it is done, whoever asks for it
        after.run()
        assert after.rows() == {b"j": JarState(jar_id="j", pence=3)}
    told = [(line.command_id, line.status) for line in bank.outcomes(partition)]
    assert told == [
        ("c0", "ACCEPTED"),
        ("now", "REJECTED"),
        ("later", "REJECTED"),
        ("now", "ACCEPTED"),
        ("later", "ACCEPTED"),
    ]


def test_a_command_out_of_bounds_is_rejected_whoever_wrote_it(bank: Bank, receiver: Engine, partition: int) -> None:
    """No encoder of ours writes it; a foreign one may."""
    loose = without_bounds(bank.codec.encoder(CATALOG.find("bank.jars.PutCoins")))
    long = PutCoins(jar_id="j" * (KEY_LENGTH + 1), pence=1, how="raises")
    much = PutCoins(jar_id="j", pence=10**9 + 1, how="raises")
    for number, command in enumerate((long, much)):
        headers = HeaderTemplate(loose.contract, "foreign", Principal("ann", ("jars:write",))).headers(f"c{number}")
        bank.put(bank.topic_of(command), partition, command.jar_id.encode(), loose(command), headers)
    bank.send(PUT, partition, id="c2")
    receiver.run()
    first, second, third = bank.outcomes(partition)
    assert (first.status, first.code) == (OutcomeStatus.REJECTED, "out_of_bounds")
    assert first.reason == "jar_id has 201 characters, maxLength is 200"
    assert first.details == {"field": "jar_id", "bound": "maxLength", "limit": "200"}
    assert (second.code, second.details["field"], second.details["bound"]) == ("out_of_bounds", "pence", "maximum")
    assert third.status == OutcomeStatus.ACCEPTED
    assert receiver.rows() == {b"j": JarState(jar_id="j", pence=5)}
    assert [event.header("ce_causationid") for event in bank.events(partition)] == ["c2"]
    assert bank.dead_letters(partition) == []
    assert (
        receiver.counted("outcomes_total", command="bank.jars.PutCoins", status="rejected", code="out_of_bounds") >= 2
    )


def test_a_permission_of_nobody_known_is_for_public_commands_only(bank: Bank, receiver: Engine, partition: int) -> None:
    bank.send(PUT, partition, id="put", actor=None, scopes=())
    bank.send(ShakeJar(jar_id="j"), partition, id="shake", actor=None, scopes=())
    receiver.run()
    outcomes = {line.command_id: line for line in bank.outcomes(partition)}
    assert (outcomes["put"].status, outcomes["put"].code) == (OutcomeStatus.REJECTED, "forbidden")
    assert outcomes["shake"].status == OutcomeStatus.ACCEPTED


def test_an_outcome_stands_under_the_commands_key_and_names_its_cause(
    bank: Bank, receiver: Engine, partition: int
) -> None:
    bank.send(PUT, partition, id="c1")
    receiver.run()
    (record,) = bank.read(bank.names.outcomes("bank.jars"), partition)
    assert record.key == b"j"
    assert (record.header("ce_id"), record.header("ce_causationid")) == ("c1:outcome", "c1")
    assert record.header("ce_type") == "verbwire.Outcome"
