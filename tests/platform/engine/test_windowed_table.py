"""Tables of windows: event time decides, and decides the same after whatever happened to a worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from tests.kit.bank import Bank
from tests.kit.bank_tills import MINUTES, NAMESPACE, living_in, minutes, own_minutes
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.tills import CoinsMoved, MinuteRow
from verbwire import Window
from verbwire.engine.processors import windowed_table
from verbwire.errors import ContractError, FencedError
from verbwire.wire.keys import key_bytes

pytestmark = pytest.mark.kafka

START = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
YEARS = count(1980)  # each test has its own: time only moves on, and forgets what was before


class Clock:
    """A table of minutes on one partition; moments are seconds since a whole minute, `start`."""

    def __init__(self, branch: Bank, engine: Engine) -> None:
        self.branch = branch
        self.engine = engine
        self.start = START.replace(year=next(YEARS))
        self.till = living_in(engine.partition, branch.partitions)

    def move(self, at: float, pence: int = 1, how: str = "") -> int:
        """Put one event of that moment into the partition, and return its offset."""
        moment = self.start + timedelta(seconds=at)
        event = CoinsMoved(till_id=self.till, pence=pence, moved_at=moment, how=how)
        return self.branch.send(event, self.engine.partition)

    def microseconds(self, at: float) -> int:
        """A moment as the engine writes it."""
        return int((self.start + timedelta(seconds=at)).timestamp() * 1_000_000)

    def run(self, *moments: float) -> None:
        """Deal with an event of each of these moments, a penny each, all in one batch."""
        for at in moments:
            self.move(at)
        self.engine.run()

    def pence(self, engine: Engine | None = None) -> dict[int, int]:
        """What the till's minutes hold, by the second at which they begin."""
        rows = (engine or self.engine).held((engine or self.engine).partition).values()
        return {
            int((row.minute - self.start).total_seconds()): row.pence
            for row in sorted((row for row in rows if isinstance(row, MinuteRow)), key=lambda row: row.minute)
        }

    def late(self) -> float:
        """How many events were left out so far."""
        return self.engine.counted("late_total")


@pytest.fixture(scope="module")
def running(branch: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(branch, minutes(), [branch.partition()], tmp_path_factory.mktemp("minutes")) as engine:
        yield engine


@pytest.fixture(scope="module")
def shared(branch: Bank) -> int:
    """The partition that most tests of the module share."""
    return branch.partition()


@pytest.fixture
def clock(branch: Bank, running: Engine, shared: int) -> Clock:
    running.own(shared)
    return Clock(branch, running)


@pytest.fixture
def lone_clock(branch: Bank, running: Engine) -> Clock:
    """On a partition of the test's own: something else is to be in it, or it comes to a stop."""
    running.own(branch.partition())
    return Clock(branch, running)


def test_a_window_counts_the_events_of_its_own_time(clock: Clock) -> None:
    clock.run(-0.001, 0, 59.999, 60, 0.001, 75)
    assert clock.pence() == {-60: 1, 0: 3, 60: 2}


def test_a_row_stands_under_its_key_and_window_where_the_key_belongs(clock: Clock) -> None:
    clock.run(61)
    minute = clock.start + timedelta(minutes=1)
    key = key_bytes((clock.till, minute))
    assert clock.engine.rows() == {key: MinuteRow(owner=clock.till, minute=minute, pence=1)}
    assert clock.engine.reader.partition_of(key) == clock.engine.partition
    assert clock.engine.reader.get(key) is not None


def test_a_late_event_is_counted_and_left_out_once_its_window_has_closed(clock: Clock) -> None:
    before = clock.late()
    clock.run(0, 90, 1, 2)  # a minute and its lateness are not over before the ninetieth second has passed
    assert clock.pence() == {0: 3, 60: 1}
    clock.run(90.001, 3, 61)
    assert clock.pence() == {0: 3, 60: 3}
    assert clock.late() - before == 1
    assert clock.branch.dead_letters(clock.engine.partition, MINUTES) == []


def test_stream_time_does_not_go_back(clock: Clock) -> None:
    clock.run(200)
    clock.run(150)  # within its lateness
    clock.run(100)
    assert clock.pence() == {120: 1, 180: 1}


@pytest.mark.parametrize("copy", ["here", "lost"])
@pytest.mark.parametrize("how", ["", "leave", "delete"])
def test_stream_time_is_known_after_a_restart(clock: Clock, tmp_path: Path, how: str, copy: str) -> None:
    """Whatever became of the newest event's row: late is what was late before."""
    clock.run(0)
    clock.move(1000, how=how)
    clock.engine.run()
    clock.engine.core.release()
    folder = clock.engine.folder if copy == "here" else tmp_path
    with Engine(clock.branch, minutes(), [clock.engine.partition], folder) as other:
        clock.move(1)
        clock.move(999)
        other.run()
        assert clock.pence(other) == {960: 2 if how == "" else 1}
        assert other.counted("late_total") == 1


def test_stream_time_is_not_moved_by_an_aborted_transaction(clock: Clock) -> None:
    clock.run(0)
    mine = clock.engine.membership
    clock.engine.membership = replace(mine, generation=mine.generation + 1)
    clock.move(1000)
    with pytest.raises(FencedError):
        clock.engine.run()
    clock.engine.membership = mine
    clock.engine.prepare()
    assert clock.engine.core._caches[clock.engine.partition].time == clock.microseconds(0)
    clock.engine.run()
    clock.run(1)
    assert clock.pence() == {960: 1}


def test_stream_time_is_not_moved_by_a_record_that_stops_the_partition(lone_clock: Clock) -> None:
    clock = lone_clock
    clock.move(0)
    clock.move(1000, how="raises")
    clock.engine.run_through()
    assert clock.engine.core.stopped()
    (witness,) = clock.branch.read(clock.engine.topology.changelog, clock.engine.partition)
    assert witness.header("vw_time") == str(clock.microseconds(0))


def test_a_window_of_none_is_deleted_and_begun_anew_by_the_next_event(clock: Clock) -> None:
    clock.run(0, 1, 60)
    clock.move(2, how="delete")
    clock.engine.run()
    assert clock.pence() == {60: 1}
    clock.run(3)
    assert clock.pence() == {0: 1, 60: 1}


def test_windows_that_time_has_left_behind_are_forgotten(clock: Clock) -> None:
    clock.run(0, 60, 120)
    clock.run(660)  # eleven minutes after the first began: that one ended ten minutes ago, and is kept until more
    assert clock.pence() == {0: 1, 60: 1, 120: 1, 660: 1}
    clock.run(660.001)
    assert clock.pence() == {60: 1, 120: 1, 660: 2}
    last = clock.branch.read(clock.engine.topology.changelog, clock.engine.partition)[-1]
    assert (last.key, last.value) == (key_bytes((clock.till, clock.start)), None)
    clock.run(5000)
    assert clock.pence() == {4980: 1}


def test_windows_opened_and_left_behind_in_one_batch_are_not_kept(clock: Clock) -> None:
    clock.run(0, 60, 5000, 5001)
    assert clock.pence() == {4980: 2}
    clock.run(5002)
    assert clock.pence() == {4980: 3}


def test_many_windows_are_forgotten_batch_by_batch(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windowed_table, "FORGOTTEN_AT_ONCE", 3)
    for minute in range(8):
        clock.move(60 * minute)
    clock.engine.run()
    held = []
    for second in range(4):
        clock.run(5000 + second)
        held.append(len(clock.pence()))
    assert held == [6, 3, 1, 1]


def test_takeover_in_the_middle_of_a_re_keyed_windowed_table(branch: Bank, tmp_path: Path) -> None:
    here, there = branch.partition(), branch.partition()
    owner = living_in(there, branch.partitions)
    key = key_bytes((owner, START))

    def move(at: float) -> None:
        moment = START + timedelta(seconds=at)
        branch.send(CoinsMoved(till_id="t", owner=owner, pence=1, moved_at=moment), here)

    with Engine(branch, own_minutes(), [here, there], tmp_path / "one") as first:
        move(0)
        move(1)
        first.run()
        first.run()
        move(2)
        first.run()  # handed over
        assert first.held(there) == {key: MinuteRow(owner=owner, minute=START, pence=2)}
    with Engine(branch, own_minutes(), [here, there], tmp_path / "two") as second:
        move(1000)
        move(3)
        for _ in range(2):
            second.run()
        assert [row.pence for row in second.held(there).values() if isinstance(row, MinuteRow)] == [1]
        assert second.counted("late_total") == 1
        assert second.inputs(there)[second.topology.repartition or ""] > 0


def test_a_key_that_is_none_of_the_rows_stops_the_partition(branch: Bank, lone_clock: Clock) -> None:
    clock = lone_clock
    value = branch.codec.encoder(branch.codec.catalog.find("bank.tills.CoinsMoved"))
    event = CoinsMoved(till_id="t", pence=1, moved_at=START)
    branch.put(branch.names.events(NAMESPACE), clock.engine.partition, b"\xff", value(event))
    clock.engine.run_through()
    (why,) = clock.engine.core.stopped().values()
    assert "cannot be owner (string) of bank.tills.MinuteRow" in why


def test_an_event_before_all_windows_is_a_dead_letter(lone_clock: Clock, tmp_path: Path) -> None:
    """Weeks begin on the day of the epoch, a Thursday; the year 1 began on a Monday."""
    clock, partition = lone_clock, lone_clock.engine.partition
    with Engine(clock.branch, minutes(Window(timedelta(days=7))), [partition], tmp_path) as weeks:
        clock.move((datetime(1, 1, 1, tzinfo=UTC) - clock.start).total_seconds())
        clock.move(0)
        weeks.run()
        assert len(weeks.rows()) == 1
    (letter,) = clock.branch.dead_letters(partition, MINUTES)
    assert "is in no window" in (letter.header("vw_detail") or "")


def test_an_event_far_ahead_of_its_record_is_a_dead_letter_and_moves_no_time(lone_clock: Clock, tmp_path: Path) -> None:
    clock, partition = lone_clock, lone_clock.engine.partition
    clock.run(0)
    clock.move((datetime(9999, 12, 31, tzinfo=UTC) - clock.start).total_seconds())
    clock.run(1)
    assert clock.pence() == {0: 2}
    assert clock.engine.counted("dead_letters_total", reason="ahead") == 1
    (letter,) = clock.branch.dead_letters(partition, MINUTES)
    assert "9999-12-31T00:00:00+00:00 is more than 1:00:00 ahead" in (letter.header("vw_detail") or "")
    clock.engine.core.release()
    with Engine(clock.branch, minutes(), [partition], tmp_path) as other:
        assert other.core._caches[partition].time == clock.microseconds(1)


def test_windows_are_aligned_to_the_epoch_before_it_too() -> None:
    window = Window(timedelta(minutes=5))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for seconds, start in [(0, 0), (299.999, 0), (300, 300), (-1, -300), (-300, -300)]:
        assert window.start_of(epoch + timedelta(seconds=seconds)) == epoch + timedelta(seconds=start)
    with pytest.raises(ContractError, match="whole milliseconds"):
        Window(timedelta(microseconds=1500))
