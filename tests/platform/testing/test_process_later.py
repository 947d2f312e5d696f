"""Commands that a process sends for later: delivered when they are due, and answered like any other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit.samples.tower.bells import BellRung, BellState, MuteBell, RingBell
from tests.kit.tower import CATALOG, receiver
from verbwire import Accepted, Expired, Outcome, OutcomeContext, Process, Rejected, expiring, later, tagged
from verbwire.declarations.scheduler import Scheduler
from verbwire.errors import WrongVerbError
from verbwire.testing import InMemory, RecordParkedError, given

NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def echoing(how: str = "") -> Process[BellState]:
    """A process that has each bell rung once more an hour later, and counts the answers."""
    process = Process("tower.echo", state=BellState, sends=[RingBell, MuteBell], scopes=["bells:ring"])

    @process.on(key="bell_id")
    def rung(state: BellState | None, event: BellRung) -> Any:
        if event.note == "echo":
            return state
        again = later(tagged("echo", RingBell(bell_id=event.bell_id, note="echo")), after=HOUR)
        state = BellState(bell_id=event.bell_id)
        match how:
            case "ttl":
                return state, expiring(timedelta(minutes=5), again)
            case "not schedulable":
                return state, later(MuteBell(bell_id=event.bell_id), at=NOON + HOUR)
        return state, again

    @process.outcome_of(RingBell)
    @process.outcome_of(MuteBell)
    def answered(state: BellState | None, outcome: Outcome, context: OutcomeContext) -> Any:
        assert context.tag == "echo"
        return state and (None if isinstance(outcome, Expired) else replace(state, times=state.times + 1))

    return process


def test_a_process_sends_a_command_for_later_and_hears_its_outcome() -> None:
    echo = echoing()
    with InMemory(echo, receiver(), catalog=CATALOG, now=NOON) as tower:
        tower.publish(BellRung(bell_id="a"))
        assert tower.row(echo, "a") == BellState(bell_id="a")
        tower.advance(HOUR - timedelta(seconds=1))
        assert tower.commands(RingBell) == []
        tower.advance(timedelta(seconds=2))
        assert tower.commands(RingBell) == [RingBell(bell_id="a", note="echo")]
        assert tower.row(echo, "a") == BellState(bell_id="a", times=1)


def test_a_process_whose_command_for_later_is_cancelled_hears_that_it_was() -> None:
    heard: list[Outcome] = []
    echo = Process("tower.echo", state=BellState, sends=[RingBell], scopes=["bells:ring"])

    @echo.on(key="bell_id")
    def rung(state: BellState | None, event: BellRung) -> Any:
        begun = BellState(bell_id=event.bell_id)
        return state or (begun, later(RingBell(bell_id=event.bell_id), after=HOUR))

    @echo.outcome_of(RingBell)
    def answered(state: BellState | None, outcome: Outcome) -> None:
        heard.append(outcome)

    scheduler = Scheduler("tower.bells")
    for key in ("a", "a" * 190):  # the long one is no part of the command's id
        with InMemory(echo, receiver(), catalog=CATALOG, now=NOON, partitions=2) as tower:
            tower.publish(BellRung(bell_id=key))
            (waiting,) = tower.rows(scheduler).values()
            itself = tower.acting_as("tower.echo", ["bells:ring"])
            assert itself.cancel(RingBell, key, waiting.id) == Accepted()
            assert (tower.rows(echo), heard.pop()) == ({}, Rejected("cancelled", "cancelled by tower.echo"))
            assert [(each.id, each.outcome) for each in tower.outcomes()] == [
                (waiting.id, Rejected("cancelled", "cancelled by tower.echo"))
            ]
            assert itself.cancel(RingBell, key, waiting.id) == Accepted()  # again: and it is not heard again
            tower.advance(2 * HOUR)
            assert (tower.commands(RingBell), heard) == ([], [])


@pytest.mark.parametrize("late", [False, True])
def test_a_process_command_for_later_has_its_time_to_live_from_when_it_is_due(late: bool) -> None:
    echo, bells = echoing("ttl"), receiver()
    with InMemory(echo, bells, catalog=CATALOG, now=NOON) as tower:
        tower.publish(BellRung(bell_id="a"))
        with tower.paused(bells):
            tower.advance(HOUR + timedelta(minutes=6 if late else 4))
        assert tower.row(echo, "a") == (None if late else BellState(bell_id="a", times=1))


def test_a_process_command_that_cannot_be_sent_for_later_is_the_handlers_fault() -> None:
    with (
        InMemory(echoing("not schedulable"), receiver(), catalog=CATALOG, now=NOON) as tower,
        pytest.raises(RecordParkedError, match=r'MuteBell cannot be sent for later: .* "schedulable": true'),
    ):
        tower.publish(BellRung(bell_id="a"))


def test_a_process_command_for_later_is_compared_in_tests_as_it_is_returned() -> None:
    again = later(tagged("echo", RingBell(bell_id="a", note="echo")), after=HOUR)
    given(echoing(), catalog=CATALOG).when(BellRung(bell_id="a")).then(again)
    with pytest.raises(AssertionError, match="led to other commands"):
        given(echoing(), catalog=CATALOG).when(BellRung(bell_id="a")).then(again.command)


def test_a_command_that_is_asked_for_later_is_refused_with_what_to_do_instead() -> None:
    with InMemory(receiver(), catalog=CATALOG, now=NOON) as tower:
        with pytest.raises(WrongVerbError, match=r"lets a process receive .* send this one by later\(...\) and answer"):
            tower.ask(RingBell(bell_id="a"), after=HOUR)  # type: ignore[arg-type]  # what a user may get wrong
        with pytest.raises(TypeError, match="'whenever'"):
            tower.ask(RingBell(bell_id="a"), whenever=HOUR)  # type: ignore[arg-type]  # likewise
        assert tower.commands(RingBell) == []
