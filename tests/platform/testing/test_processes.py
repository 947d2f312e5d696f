"""The kit for processes and tables of windows: what it runs, what it refuses, what its failures say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.kit import bank_jars, bank_tills
from tests.kit.bank import CATALOG
from tests.kit.samples.bank.jars import JarSeal, PutCoins, SealJar, ShakeJar, TakeCoins
from tests.kit.samples.bank.tills import CoinsMoved, MinuteRow, OwnerRow, SavingState
from verbwire import Accepted, Process, Rejected, tagged
from verbwire.testing import fold, given

SAVINGS = bank_tills.savings()
MOVED = CoinsMoved(till_id="t", owner="ann", pence=5)
STATE = SavingState(owner="ann", pence=5)
PUT = PutCoins(jar_id="ann", pence=5)
TAKE = TakeCoins(jar_id="ann", pence=1)
TOLD = "Rejected jar_full of test"
START = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


def how(text: str) -> CoinsMoved:
    return replace(MOVED, how=text)


def test_a_process_is_led_step_by_step() -> None:
    begun = given(SAVINGS, catalog=CATALOG).when(MOVED).then(PUT).then_state(STATE)
    answered = begun.when(Rejected("jar_full"), of=PutCoins).then(TAKE)
    answered.then_state(replace(STATE, told=(TOLD,))).when(how("over")).then().then_state(None)


def test_a_process_begins_in_the_state_that_the_test_gives() -> None:
    given(SAVINGS, MOVED).when(MOVED).then_state(replace(STATE, pence=10))
    given(SAVINGS, state=STATE).when(Accepted(), of=PutCoins).then().then_state(
        replace(STATE, told=("Accepted of test",))
    )


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ("undeclared command", "ShakeJar is not among what this process sends"),
        ("no state", "a process returns SavingState or None first, not PutCoins"),
        ("command beyond its type", "is against its contract"),
        ("state under another key", "is under another key than its process instance, b'ann'"),
    ],
)
def test_a_process_step_that_the_engine_would_stop_at_fails(moved: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        given(SAVINGS, catalog=CATALOG).when(how(moved))


def test_a_tag_tells_which_of_several_commands_was_answered() -> None:
    second = PutCoins(jar_id="ann", pence=bank_jars.FULL + 1)
    led = given(SAVINGS, catalog=CATALOG).when(how("tagged")).then(tagged("first", PUT), tagged("second", second))
    led = led.when(Accepted(), of=PutCoins, tag="first").when(Rejected("jar_full"), of=PutCoins, tag="second")
    led.then_state(replace(STATE, told=("Accepted of first", "Rejected jar_full of second")))
    with pytest.raises(AssertionError, match=r"led to other commands:(.|\n)*-    tag='first',"):
        given(SAVINGS).when(MOVED).then(tagged("first", PUT))


def test_an_event_or_outcome_without_a_handler_is_told() -> None:
    with pytest.raises(AssertionError, match="ignores outcomes of TakeCoins"):
        given(SAVINGS).when(Accepted(), of=TakeCoins)
    with pytest.raises(AssertionError, match="has no handler for the outcome of ShakeJar"):
        given(SAVINGS).when(Accepted(), of=ShakeJar)
    with pytest.raises(AssertionError, match="has no handler for the outcome of nothing: say of=YourCommand"):
        given(SAVINGS).when(Accepted())
    with pytest.raises(AssertionError, match="names no process instance, no handler would be called"):
        given(SAVINGS, catalog=CATALOG).when(replace(MOVED, owner=None))


def test_a_difference_of_commands_shows_the_field() -> None:
    with pytest.raises(AssertionError, match=r"led to other commands:(.|\n)*-    pence=6,(.|\n)*\+    pence=5,"):
        given(SAVINGS).when(MOVED).then(replace(PUT, pence=6))
    with pytest.raises(AssertionError, match="led to other state"):
        given(SAVINGS).when(MOVED).then_state(None)


def test_a_window_is_folded_like_any_row() -> None:
    events = [CoinsMoved(till_id="t", pence=5, moved_at=START + timedelta(seconds=each)) for each in (0, 59)]
    table: Any = bank_tills.minutes()
    assert fold(table, *events, catalog=CATALOG) == MinuteRow(owner="t", minute=START, pence=10)
    later = CoinsMoved(till_id="t", pence=5, moved_at=START + timedelta(seconds=60))
    with pytest.raises(AssertionError, match=r"belongs to the window of 2010-12-01 08:27:00\+00:00, earlier ones to"):
        fold(table, *events, later, catalog=CATALOG)


def test_a_re_keyed_row_is_folded_like_any_row() -> None:
    row = fold(bank_tills.owners(), MOVED, MOVED, catalog=CATALOG)
    assert isinstance(row, OwnerRow)
    assert row.pence == 10


def receiving() -> Process[SavingState]:
    """It takes the commands of jars, and answers what it is told to."""
    process = Process(bank_tills.SAVINGS, state=SavingState)

    @process.receives
    def put(state: SavingState | None, command: PutCoins) -> Any:
        return Rejected(command.how) if command.how else SavingState(owner=command.jar_id)

    @process.receives
    def seal(state: SavingState | None, command: SealJar) -> Any:
        return state or SavingState(owner=command.jar_id)

    @process.on(key="owner")
    def moved(state: SavingState | None, event: CoinsMoved) -> Any:
        match event.how:
            case "accept":
                return state, Accepted()
            case "reply":
                return None, Accepted(reply=SEALED)
            case "reject":
                return state, Rejected("jar_full", "no room")
            case _:
                return None

    return process


SEALED, SEAL = JarSeal(jar_id="ann", number=7), SealJar(jar_id="ann")


def test_a_process_that_receives_is_led_to_its_answer() -> None:
    asked = given(receiving(), catalog=CATALOG).when(PUT).then().then_state(SavingState(owner="ann"))
    asked.when(how("accept")).then(Accepted()).when(how("accept")).then()  # nobody waits any more
    asked.when(how("reject")).then(Rejected("jar_full", "no room")).then_rejected("jar_full")
    asked.when(how("over")).then(Accepted()).then_state(None)
    given(receiving(), catalog=CATALOG).when(SEAL).when(how("reply")).then(Accepted(reply=SEALED))
    given(receiving(), state=STATE, catalog=CATALOG).when(replace(PUT, how="jar_full")).then_rejected("jar_full")
    given(receiving(), catalog=CATALOG).when(replace(PUT, jar_id="a" * 201)).then_rejected("out_of_bounds")


def test_a_process_that_receives_is_held_to_what_its_commands_promise() -> None:
    asked = given(receiving(), catalog=CATALOG).when(SEAL)
    with pytest.raises(AssertionError, match="was accepted with no reply: its contract says"):
        asked.when(how("over"))
    with pytest.raises(AssertionError, match="'jar_full' is not among the rejections of"):
        asked.when(how("reject"))
    with pytest.raises(AssertionError, match="'empty' is not among the rejections of"):
        given(receiving(), catalog=CATALOG).when(replace(PUT, how="empty"))
    with pytest.raises(AssertionError, match="leaves two commands without an answer"):
        asked.when(PUT)
    with pytest.raises(AssertionError, match="led to no rejection as 'jar_full', but to None"):
        asked.then_rejected("jar_full")
    with pytest.raises(AssertionError, match="led to other answer"):
        given(receiving(), catalog=CATALOG).when(PUT).when(how("accept")).then()
