"""Events whose time is ahead of their record's timestamp: how far a window lets them be, and what becomes of others."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kit.bank import CATALOG, Taken
from tests.kit.bank_tills import minutes
from tests.kit.samples.bank.tills import CoinsMoved, MinuteRow
from verbwire import Window
from verbwire.declarations.window import Ahead
from verbwire.engine.processors.repartition import SOURCE_HEADER, Repartitioner
from verbwire.engine.processors.table import DeadLettered, Matched, Skipped
from verbwire.engine.processors.windowed_table import WindowedTableProcessor
from verbwire.engine.restore.start_positions import _require_past
from verbwire.engine.state.parked import ParkedKeys
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import ContractError, EngineError
from verbwire.handling.contexts import context_of

WRITTEN = datetime(2020, 11, 28, 8, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TOPIC, OWN = "bank.tills.events", "bank.minutes-repartition"


class Told:
    """An event input in whose topic everything was moved at one moment."""

    def __init__(self, moved_at: datetime) -> None:
        self._event = CoinsMoved(till_id="t", pence=1, moved_at=moved_at)

    def decode_all(self, records: Any) -> Any:
        return [None] * len(records)

    def read(self, record: Any, keyed: bool, decoded: Any = None) -> Any:  # noqa: ARG002 (as the engine calls it)
        return self._event, minutes().handlers[CoinsMoved], record.key

    def context(self, record: Any) -> Any:
        return context_of(record)


def fold(moved_at: datetime, window: Window) -> WindowedTableProcessor:
    return WindowedTableProcessor(
        input_readers={TOPIC: Told(moved_at)},
        row=MinuteRow,
        encode=lambda _key, row: row,
        normal=lambda row: row,
        dead_letters="letters",
        repartition=Repartitioner(OWN, 1),
        window=window,
        contract=CATALOG.of(MinuteRow),
        times={CoinsMoved: "moved_at"},
    )


def record(written: datetime = WRITTEN, topic: str = TOPIC, headers: Sequence[tuple[str, bytes]] = ()) -> Taken:
    return Taken(topic, 0, 7, round(written.timestamp() * 1000), b"t", b"", headers)


@pytest.mark.parametrize("ahead", [timedelta(0), HOUR, timedelta(days=400)])
def test_an_event_may_be_as_far_ahead_of_its_record_as_the_window_says(ahead: timedelta) -> None:
    window = Window(MINUTE, ahead=ahead)
    just, beyond = WRITTEN + ahead, WRITTEN + ahead + timedelta(microseconds=1)
    assert isinstance(fold(just, window)._decode(record()), Matched)
    refused = fold(beyond, window)._decode(record())
    assert isinstance(refused, DeadLettered)
    assert refused.reason == "ahead"
    assert "mend the sender's clock, or let the window take it (ahead=...)" in refused.detail


def test_an_event_further_ahead_is_late_where_the_table_says_so() -> None:
    window = Window(MINUTE, when_ahead="late")
    assert fold(datetime.max.replace(tzinfo=UTC), window)._decode(record()) == Skipped("late")


class Noted:
    """A transaction that takes down what is counted."""

    limits = RecordLimits()

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.dead_letters: dict[int, int] = {}

    def count(self, *name: str) -> None:
        self.counted[" ".join(name)] += 1

    def produce(self, *record: Any) -> None:
        """Nowhere."""

    def is_late(self) -> bool:
        return False


class Untouched:
    """A partition of which no row is asked for."""

    time = None
    facts: Mapping[str, bytes] = {}
    parked = ParkedKeys({})

    def begin(self, keys: Any) -> None:
        assert not list(keys)


def test_an_event_ahead_that_is_left_out_is_only_counted() -> None:
    cache: Any = Untouched()
    transaction: Any = Noted()
    late = fold(WRITTEN + 2 * HOUR, Window(MINUTE, when_ahead="late"))
    assert late.process(cache, [record(), record()], transaction) == 2
    assert transaction.counted == {"late": 2}
    assert cache.time is None


def test_a_repartitioned_event_ahead_is_held_against_its_first_timestamp() -> None:
    """Else a replay, or a re-keyed table that was behind, would decide otherwise."""
    place = f"{TOPIC}/3/9/{round(WRITTEN.timestamp() * 1000)}".encode()
    later = record(WRITTEN + 5 * HOUR, OWN, [(SOURCE_HEADER, place)])
    assert isinstance(fold(WRITTEN + HOUR, Window(MINUTE))._decode(later), Matched)
    assert isinstance(fold(WRITTEN + 2 * HOUR, Window(MINUTE))._decode(later), DeadLettered)


def test_a_timestamp_from_the_same_wrong_clock_excuses_nothing() -> None:
    """Where a topic holds the timestamps that producers gave, both may be of the year 9999."""
    wrong = datetime(9999, 1, 1, tzinfo=UTC)
    for ahead in (HOUR, timedelta(days=400)):
        assert isinstance(fold(wrong, Window(MINUTE, ahead=ahead))._decode(record(wrong)), DeadLettered)
    soon = datetime.now(UTC) + timedelta(days=30)
    assert isinstance(fold(soon, Window(MINUTE, ahead=timedelta(days=31)))._decode(record(soon)), Matched)


def test_times_before_the_epoch_are_ahead_of_nothing() -> None:
    assert isinstance(fold(datetime(1871, 1, 1, tzinfo=UTC), Window(timedelta(days=1)))._decode(record()), Matched)


@pytest.mark.parametrize(("when", "counted"), [("dead-letter", "dead_lettered ahead"), ("late", "late")])
def test_an_event_ahead_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture, when: Ahead, counted: str) -> None:
    ahead = fold(WRITTEN + 2 * HOUR, Window(MINUTE, when_ahead=when))
    cache: Any = Untouched()
    transaction: Any = Noted()
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            ahead.process(cache, [record()], transaction)
    (told,) = caplog.messages
    assert f"{TOPIC}/0/7" in told
    assert "the event's time 2020-11-28T10:00:00+00:00 is more than 1:00:00 ahead" in told
    assert transaction.counted == {counted: 100}


class Plan:
    changelog = "bank.minutes-changelog"

    def __init__(self, window: Window | None) -> None:
        self.window = window


@pytest.mark.parametrize(
    ("window", "days"), [(None, 9999), (Window(MINUTE), 0.04), (Window(MINUTE, ahead=timedelta(days=2)), 1.9)]
)
def test_a_time_that_an_event_may_have_had_is_gone_on_with(window: Window | None, days: float) -> None:
    topology: Any = Plan(window)
    _require_past(topology, None)
    _require_past(topology, int((time.time() + days * 86400) * 1e6))


@pytest.mark.parametrize("ahead", [HOUR, timedelta(days=2)])
def test_a_time_from_before_there_was_a_bound_stops_the_partition_with_the_ways_out(ahead: timedelta) -> None:
    topology: Any = Plan(Window(MINUTE, ahead=ahead))
    with pytest.raises(EngineError, match=r"changelog is [\d.]+ days ahead.*Rebuild.*ahead=") as raised:
        _require_past(topology, int(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1e6))
    assert "they are missing" in str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "said"), [({"ahead": -HOUR}, "zero or more"), ({"when_ahead": "never"}, "'dead-letter' or 'late'")]
)
def test_a_window_that_says_nonsense_of_it_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        Window(MINUTE, **wrong)
