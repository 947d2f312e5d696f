"""What handlers see of values: always what a reader would read, in the same batch and after a restart alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.kit.bank import Taken
from tests.kit.contract_projects import record
from tests.kit.contracts_made import made
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.handlers import Handler
from verbwire.declarations.table import Table
from verbwire.engine.processors.aggregate import AggregateProcessor, EventEmission
from verbwire.engine.processors.table import TableProcessor
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.topology import StopPartition
from verbwire.handling.dispatch import CommandHandling
from verbwire.messages import Rejected
from verbwire.testing import fold as told_fold
from verbwire.testing import given
from verbwire.wire.avro.frozen_map import FrozenMap
from verbwire.wire.avro.messages import Encoder, Reader
from verbwire.wire.headers import Headers

FIELDS: dict[str, Any] = {
    "id": "string",
    "at": {"type": "long", "logicalType": "timestamp-millis"},
    "share": "float",
    "price": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    "tags": {"type": "map", "values": "int"},
    "names": {"type": "array", "items": "string"},
}
GIVEN: dict[str, Any] = {
    "at": datetime(2020, 1, 1, 1, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=1))),
    "share": 0.1,
    "price": Decimal("1.5"),
    "tags": {"a": 1},
    "names": ["x"],
}
READ = "(datetime.datetime(2020, 1, 1, 0, 0, 0, 123000, tzinfo=datetime.timezone.utc), 0.10000000149011612, '1.50')"


@dataclass
class Meters:
    """Contracts of meters: a command, an event, a row, all of the same fields."""

    catalog: Any
    classes: dict[str, Any]

    def make(self, name: str) -> Any:
        return self.classes[name](id="m", **GIVEN)

    def encoder(self, name: str) -> Encoder:
        return Encoder(self.catalog.find(name), 1)


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory) -> Meters:
    command = record("ReadMeter", FIELDS, kind="command", key="id", rejections=["no"], public=True)
    event = record("MeterRead", FIELDS, kind="event", key="id")
    return Meters(
        *made(
            tmp_path_factory.mktemp("meters"),
            command,
            event,
            record("Meter", FIELDS, kind="row", key="id"),
            record("MeterState", FIELDS, kind="state", key="id"),
        )
    )


def told(row: Any) -> str:
    return repr((row.at, row.share, str(row.price)))


@pytest.fixture
def cache(tmp_path: Path, meters: Meters) -> Iterator[PartitionCache]:
    contract = meters.catalog.find("Meter")
    read: Any = Reader(contract, meters.classes["Meter"], contract.schema)
    store = PartitionStore(tmp_path / "meters.db")
    yield PartitionCache(0, store, read, {})
    store.close()


class Told:
    """A topic all of whose records say one event, which is heard by one handler."""

    def __init__(self, event: Any, handler: Handler) -> None:
        self._said = event, handler, b"m"

    def decode_all(self, records: Any) -> Any:
        return [self._said[0]] * len(records)

    def read(self, record: Any, keyed: bool, decoded: Any = None) -> Any:  # noqa: ARG002 (as the engine calls it)
        return self._said

    def context(self, record: Any) -> Any:  # noqa: ARG002 (nobody asks)
        raise AssertionError


class Batch:
    """A transaction that has all the time."""

    def is_late(self) -> bool:
        return False

    def checks_rows(self, _partition: int) -> bool:
        return False


def fold(meters: Meters, cache: PartitionCache, function: Any) -> None:
    """Fold two events in one batch."""
    event = meters.encoder("MeterRead").normal(meters.make("MeterRead"))
    encoder = meters.encoder("Meter")
    hearing = Told(event, Handler(function, meters.classes["MeterRead"], False))
    table = TableProcessor(
        input_readers={"events": hearing},
        row=meters.classes["Meter"],
        encode=lambda _key, row: encoder(row),
        normal=encoder.normal,
        dead_letters="letters",
    )
    records = [Taken("events", 0, offset, 0, b"m", b"", ()) for offset in range(2)]
    batch: Any = Batch()
    table.process(cache, records, batch)


def test_the_next_event_of_a_batch_meets_the_row_as_it_will_be_read(meters: Meters, cache: PartitionCache) -> None:
    seen: list[Any] = []

    def count(row: Any, _event: Any) -> Any:
        seen.append(row)
        return meters.make("Meter")

    fold(meters, cache, count)
    value = meters.encoder("Meter")(meters.make("Meter"))
    contract = meters.catalog.find("Meter")
    after_a_restart = Reader(contract, meters.classes["Meter"], contract.schema)(value)
    assert seen == [None, after_a_restart]
    assert repr(seen[1]) == repr(cache.get(b"m")) == repr(after_a_restart)
    assert told(seen[1]) == READ
    assert (type(seen[1].tags), type(seen[1].names)) == (FrozenMap, tuple)


def test_a_handler_that_changes_a_rows_map_stops_at_its_record(meters: Meters, cache: PartitionCache) -> None:
    def spoil(row: Any, _event: Any) -> Any:
        if row is not None:
            row.tags["bad"] = 1
        return row or meters.make("Meter")

    with pytest.raises(StopPartition, match="cannot be changed"):
        fold(meters, cache, spoil)
    row: Any = cache.get(b"m")
    assert row.tags == {"a": 1}


def decide(meters: Meters, state: Any, handle: Any, apply: Any) -> Any:
    """Let an aggregate decide one command, and return what came of it."""
    unused: Any = None
    classes, encoder = meters.classes, meters.encoder
    event = EventEmission(
        meters.catalog.find("MeterRead"), encoder("MeterRead"), unused, Handler(apply, classes["MeterRead"], False)
    )
    decider = AggregateProcessor(
        decoder=unused,
        commands={},
        state=classes["Meter"],
        events={classes["MeterRead"]: event},
        emits=unused,
        events_topic="events",
        encode=unused,
        normal=encoder("Meter").normal,
        outcome_log=unused,
        limits=unused,
        dead_letters="letters",
        clock=unused,
        watch=unused,
    )
    command: Any = SimpleNamespace(
        message=encoder("ReadMeter").normal(meters.make("ReadMeter")),
        handling=CommandHandling(meters.catalog.find("ReadMeter"), Handler(handle, classes["ReadMeter"], False)),
        sender=SimpleNamespace(actor=None, scopes=()),
        record=unused,
        headers=Headers(()),
    )
    return decider._decide(state, command)


@pytest.mark.parametrize("beside", [False, True])
def test_events_are_applied_and_states_kept_as_they_will_be_read(meters: Meters, beside: bool) -> None:
    applied: list[Any] = []

    def apply(_state: Any, event: Any) -> Any:
        applied.append(event)
        return meters.make("Meter")

    def handle(_command: Any, _state: Any) -> Any:
        return (meters.make("MeterRead"), *((meters.make("Meter"),) if beside else ()))

    decided = decide(meters, None, handle, apply)
    assert told(decided.state) == told(decided.events[0]) == READ
    assert [told(event) for event in applied] == ([] if beside else [READ])
    assert type(decided.state.tags) is FrozenMap


def test_a_command_that_is_refused_leaves_no_trace_in_a_states_map(meters: Meters) -> None:
    state = meters.encoder("Meter").normal(meters.make("Meter"))

    def handle(_command: Any, state: Any) -> Any:
        state.tags["bad"] = 1
        return Rejected("no")

    with pytest.raises(TypeError, match="cannot be changed"):
        decide(meters, state, handle, None)
    assert state.tags == {"a": 1}


def test_the_testing_kit_shows_values_as_they_will_be_read(meters: Meters) -> None:
    table: Any = Table("shop.meters", row=meters.classes["Meter"])
    table.handlers[meters.classes["MeterRead"]] = Handler(
        lambda row, _event: row or meters.make("Meter"), meters.classes["MeterRead"], False
    )
    row: Any = told_fold(table, meters.make("MeterRead"), catalog=meters.catalog)
    assert told(row) == READ
    aggregate: Any = Aggregate("shop.carts", state=meters.classes["MeterState"])
    aggregate.handlers[meters.classes["ReadMeter"]] = Handler(
        lambda command, _state: [meters.make("MeterRead")] if told(command) == READ else [],
        meters.classes["ReadMeter"],
        False,
    )
    aggregate.appliers[meters.classes["MeterRead"]] = Handler(
        lambda _state, event: meters.make("MeterState") if told(event) == READ else None,
        meters.classes["MeterRead"],
        False,
    )
    decided = given(aggregate, catalog=meters.catalog).when(meters.make("ReadMeter"))
    decided.then(meters.make("MeterRead")).then_state(meters.make("MeterState"))
    assert told(decided.after.state) == READ
