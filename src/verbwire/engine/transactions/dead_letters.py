"""Writes the dead letters of a group: the record's bytes unchanged, its place and the reason as headers."""

from __future__ import annotations

from verbwire.engine.transactions.transaction import Transaction
from verbwire.kafka.record import Record
from verbwire.wire.records.dead_letters import dead_letter_headers, legible, stub_headers, with_traceback

__all__ = ["dead_letter", "legible", "with_traceback"]


def dead_letter(transaction: Transaction, topic: str, record: Record, reason: str, detail: str) -> None:
    """Add the record to the dead letters of the group, in the same transaction as everything else.

    `reason` is one of few words; `detail` is for people. The record's own headers come first, untouched. Where the
    topic does not take it whole, the dead letter is a stub, which only names the place of the record.
    """
    headers = dead_letter_headers(record, reason, detail)
    key, value = record.key, record.value
    if not transaction.limits.fits(topic, key, value, headers):
        key, value, headers = None, None, stub_headers(record, reason, detail)
    transaction.produce(topic, record.partition, key, value, headers)
    transaction.count("dead_lettered", reason)
    transaction.dead_letters[record.partition] = transaction.dead_letters.get(record.partition, 0) + 1
