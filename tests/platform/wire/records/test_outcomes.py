"""The outcome log's record."""

from __future__ import annotations

import pytest

from verbwire.messages import Accepted, Expired, Failed, Outcome, Rejected
from verbwire.wire.avro.messages import Encoder, Reader
from verbwire.wire.records.outcomes import OUTCOME, EventPosition, OutcomeRecord, OutcomeStatus


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
