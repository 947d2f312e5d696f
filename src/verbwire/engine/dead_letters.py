"""Where a record goes that a group could not read or handle: bytes unchanged, with place and reason beside them."""

from __future__ import annotations

from verbwire.engine.records import Record
from verbwire.engine.transaction import Transaction

REASON_LIMIT = 2000


def dead_letter(transaction: Transaction, topic: str, record: Record, reason: str, detail: str) -> None:
    """Add the record to the dead letters of the group, in the same transaction as everything else.

    `reason` is one of few words; `detail` is for people. The record's own headers come first, untouched.
    """
    place = [
        ("vw_topic", record.topic.encode()),
        ("vw_partition", b"%d" % record.partition),
        ("vw_offset", b"%d" % record.offset),
        ("vw_timestamp", b"%d" % record.timestamp),
        ("vw_reason", reason.encode()),
        ("vw_detail", detail[:REASON_LIMIT].encode(errors="replace")),
    ]
    transaction.produce(topic, record.partition, record.key, record.value, [*record.headers, *place])
    transaction.count("dead_lettered", reason)


def legible(text: str) -> str:
    """Return text that has bytes: an exception may quote a file's name, or input, that is no Unicode."""
    return text.encode(errors="replace").decode()
