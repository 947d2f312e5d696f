"""The ledger's record."""

from __future__ import annotations

import pytest

from tests.platform.notes import CATALOG, COMMAND
from verbwire.messages import Accepted, Expired, Failed, Outcome, Rejected
from verbwire.wire.avro import Encoder, Reader, frame
from verbwire.wire.outcomes import (
    OUTCOME,
    EventPosition,
    OutcomeRecord,
    OutcomeStatus,
    accepted_body,
    fingerprint_of,
)


def record(status: OutcomeStatus, **fields: object) -> OutcomeRecord:
    return OutcomeRecord(
        command_id="c1",
        command="office.notes.TakeNote",
        fingerprint=b"0123456789abcdef",
        status=status,
        partition=3,
        offset=2**40,
        **fields,  # type: ignore[arg-type]  # whatever the test is about
    )


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (record(OutcomeStatus.ACCEPTED, events=(EventPosition(topic="t", partition=3, offset=9),)), Accepted()),
        (record(OutcomeStatus.ACCEPTED, reply=b"\x00\x00\x00\x00\x01x"), Accepted()),
        (record(OutcomeStatus.REJECTED, code="full", details={"a": "b"}), Rejected("full", "", {"a": "b"})),
        (record(OutcomeStatus.FAILED, reason="KeyError"), Failed(reason="KeyError")),
        (record(OutcomeStatus.EXPIRED), Expired()),
    ],
)
def test_an_outcome_comes_back(line: OutcomeRecord, outcome: Outcome) -> None:
    read = Reader(OUTCOME, OutcomeRecord, OUTCOME.schema)(Encoder(OUTCOME, 1)(line))
    assert read == line
    assert isinstance(read, OutcomeRecord)
    assert read.outcome() == outcome


def test_the_fingerprint_is_of_the_payload_alone() -> None:
    contract = CATALOG.of(COMMAND)
    one, other = Encoder(contract, 1)(COMMAND), Encoder(contract, 2)(COMMAND)
    assert one != other
    assert fingerprint_of(one) == fingerprint_of(other)
    assert len(fingerprint_of(one)) == 16
    assert fingerprint_of(one) != fingerprint_of(one + b"x")


@pytest.mark.parametrize("number", [0, 63, 64, 8191, 8192, 2**31 - 1, 2**40, 2**63 - 1])
@pytest.mark.parametrize("events", [0, 1, 70])
def test_the_line_written_by_hand_is_the_encoders(number: int, events: int) -> None:
    line = OutcomeRecord(
        command_id="ä" * (events + 1),
        command="office.notes.TakeNote",
        fingerprint=b"0123456789abcdef",
        status=OutcomeStatus.ACCEPTED,
        partition=number % 2**31,
        offset=number,
        events=(EventPosition(topic="office.notes.events", partition=number % 1000, offset=number),) * events,
    )
    assert frame(1) + accepted_body(line) == Encoder(OUTCOME, 1)(line)
