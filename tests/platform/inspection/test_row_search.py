"""Which row of a changelog a record led to: told by how far the inputs were when each transaction ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from verbwire.inspection.reading.row_search import ChangelogSearch, WantedRow
from verbwire.kafka.record import ConsumedRecord
from verbwire.wire.records.changelog import INPUTS_HEADER, write_inputs

EVENTS, LOG = "shop.orders.events", "shop.orders-orders-changelog"


@dataclass
class Changelog:
    """A partition of a changelog, as a consumer hands it over."""

    search: ChangelogSearch = field(default_factory=ChangelogSearch)
    offset: int = 0

    def wants(self, key: bytes, offset: int) -> WantedRow:
        """The row of the event at that offset."""
        event = ConsumedRecord(EVENTS, 0, offset, 0, key, b"", ())
        wanted = WantedRow("shop.orders", (LOG, 0), key, event, read=((EVENTS, 0), offset))
        self.search.wanted.append(wanted)
        return wanted

    def writes(self, key: bytes, inputs: int | None = None, value: bytes | None = b"row") -> int:
        """Write a record; the last one of its transaction says how far the events are read."""
        self.offset += 1
        headers = [] if inputs is None else [(INPUTS_HEADER, write_inputs({EVENTS: inputs}))]
        self.search.take(_Message(LOG, 0, self.offset, key, value, headers))
        return self.offset


class _Message:
    """A message as confluent-kafka has it: those it makes cannot be made by others."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    def __getattr__(self, name: str) -> Any:
        at = ("topic", "partition", "offset", "key", "value", "headers").index(name)
        return lambda: self._parts[at]

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


def test_the_row_search_takes_the_row_of_the_transaction_that_read_the_event() -> None:
    log = Changelog()
    wanted = log.wants(b"a", 5)
    log.writes(b"a", inputs=5)  # of an earlier transaction: it has read up to 5, without it
    log.writes(b"b")
    found = log.writes(b"a")
    log.writes(b"c", inputs=7)
    log.writes(b"a", inputs=9)
    assert (wanted.row and wanted.row.offset, wanted.is_later) == (found, False)


def test_the_row_search_says_that_a_row_is_of_a_later_transaction() -> None:
    log = Changelog()
    wanted = log.wants(b"a", 5)
    log.writes(b"b", inputs=6)
    found = log.writes(b"a", inputs=8)
    assert (wanted.row and wanted.row.offset, wanted.is_later) == (found, True)


def test_the_row_search_takes_no_row_of_a_transaction_before_the_event() -> None:
    log = Changelog()
    wanted = log.wants(b"a", 5)
    log.writes(b"a", inputs=5)
    log.writes(b"b", inputs=6)
    assert (wanted.row, wanted.is_settled) == (None, True)


def test_the_row_search_leaves_open_what_no_transaction_has_read() -> None:
    log = Changelog()
    wanted = log.wants(b"a", 5)
    log.writes(b"a", inputs=5)
    assert (wanted.row, wanted.is_settled) == (None, False)


def test_the_row_search_finds_a_deleted_row() -> None:
    log = Changelog()
    wanted = log.wants(b"a", 5)
    log.writes(b"a", inputs=6, value=None)
    assert wanted.row is not None
    assert wanted.row.value is None
