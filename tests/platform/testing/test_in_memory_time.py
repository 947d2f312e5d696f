"""Time in memory: what is sent for later, cancelled and scheduled happens as the clock is moved on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.kit.samples.tower.bells import BellRung, MuteBell, OilBell, RingBell
from tests.kit.tower import CATALOG, SCHEDULER, receiver, ringing
from verbwire import Accepted, Rejected, Schedule, Subscriber
from verbwire.declarations.effect_context import SubscriberContext
from verbwire.errors import ContractError, OutcomeUnknownError, UnencodableError
from verbwire.messages import Expired
from verbwire.observability.metrics.registry import Metrics
from verbwire.testing import InMemory
from verbwire.worker.table_sizes import TableSizes

START = datetime(2026, 3, 28, 12, tzinfo=UTC)  # in London, clocks are set ahead in the night after
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def tower_of(*more: object) -> InMemory:
    return InMemory(
        *(receiver(), *more),  # type: ignore[arg-type]  # what the tests give it
        catalog=CATALOG,
        actor="ann",
        scopes=["bells:ring"],
        partitions=3,
        now=START,
    )


@pytest.fixture
def tower() -> Iterator[InMemory]:
    with tower_of() as opened:
        yield opened


def notes(tower: InMemory) -> list[str]:
    return [each.note for each in tower.events(BellRung)]


# -- commands later


def test_a_command_for_later_is_delivered_when_its_time_has_come_and_once(tower: InMemory) -> None:
    tower.send(ringing(note="1"), after=HOUR)
    tower.send(ringing(note="2"), at=START + 2 * HOUR)
    assert tower.commands(RingBell) == []
    tower.advance(HOUR - timedelta(milliseconds=1))
    assert notes(tower) == []
    tower.advance(timedelta(milliseconds=1))
    assert notes(tower) == ["1"]
    tower.advance(14 * DAY)
    assert notes(tower) == ["1", "2"]


def test_commands_for_later_are_delivered_in_order_of_their_time_then_of_their_sending(tower: InMemory) -> None:
    for number, minutes in enumerate((3, 1, 2, 1, 3, 1)):
        tower.send(ringing(note=f"{number}"), after=minutes * MINUTE, id=f"{9 - number}")
    tower.advance(HOUR)
    assert notes(tower) == ["1", "3", "5", "2", "0", "4"]


def test_commands_for_later_happen_while_the_clock_says_their_time(tower: InMemory) -> None:
    subscriber, seen = Subscriber("tower.watch"), list[datetime]()

    @subscriber.on
    def put_there(_: BellRung, context: SubscriberContext) -> None:
        seen.append(context.time)

    with tower_of(subscriber) as watched:
        for minutes in (10, 5):
            watched.send(ringing(), after=minutes * MINUTE)
        watched.advance(HOUR)
        assert seen == [START + 5 * MINUTE, START + 10 * MINUTE]
        assert watched.now == START + HOUR


def test_a_command_for_later_whose_time_is_over_is_delivered_at_once(tower: InMemory) -> None:
    tower.send(ringing(note="5"), at=START - DAY)
    tower.send(ringing(note="6"), after=timedelta(0))
    assert notes(tower) == ["5", "6"]


def test_the_same_command_for_later_is_delivered_once_whatever_it_is_sent_with(tower: InMemory) -> None:
    tower.send(ringing(note="5"), after=HOUR, id="one")
    tower.send(ringing(note="5"), after=2 * HOUR, id="one")
    tower.advance(3 * HOUR)
    tower.send(ringing(note="5"), after=HOUR, id="one")
    tower.advance(DAY)
    assert len(tower.commands(RingBell)) == 1
    tower.send(ringing(note="6"), after=HOUR, id="one")
    (letter,) = tower.dead_letters
    assert letter.reason == "undecodable"
    assert "another payload" in letter.detail


def test_a_command_for_later_is_listed_while_it_waits(tower: InMemory) -> None:
    tower.send(ringing("b", "2"), after=2 * HOUR)
    tower.send(ringing("a", "1"), after=HOUR)
    assert tower.scheduled(RingBell) == [ringing("a", "1"), ringing("b", "2")]
    tower.advance(HOUR)
    assert tower.scheduled(RingBell) == [ringing("b", "2")]


def test_the_ttl_of_a_command_for_later_counts_from_its_time(tower: InMemory) -> None:
    tower.send(ringing(note="5"), after=HOUR, ttl=60)
    tower.advance(HOUR)
    assert notes(tower) == ["5"]
    tower.send(ringing(note="6"), after=HOUR, ttl=60)
    with tower.paused("tower.bells.scheduler"):
        tower.advance(HOUR + 61 * timedelta(seconds=1))
    tower.advance(timedelta(seconds=1))
    assert isinstance(tower.outcomes()[-1].outcome, Expired)
    assert notes(tower) == ["5"]


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ({"at": datetime(2026, 3, 29)}, "no time zone"),
        ({"after": timedelta(days=-1)}, "use 0 to 400 days"),
        ({"after": timedelta(days=401)}, "use 0 to 400 days"),
        ({"at": START, "after": HOUR}, "either at=, a time, or after="),
    ],
)
def test_a_time_for_later_that_is_none_is_refused(tower: InMemory, when: dict[str, object], why: str) -> None:
    with pytest.raises(ContractError, match=why):
        tower.send(ringing(), **when)  # type: ignore[arg-type]  # what a user may get wrong


def test_a_command_for_later_whose_contract_does_not_say_so_is_refused(tower: InMemory) -> None:
    with pytest.raises(ContractError, match='"schedulable": true'):
        tower.send(MuteBell(bell_id="a"), after=HOUR)


def test_a_command_for_later_that_its_scheduler_could_not_keep_is_refused(tower: InMemory) -> None:
    with pytest.raises(UnencodableError, match="sent for later may have"):
        tower.send(ringing(note="x" * 950_000), after=HOUR)


def test_a_time_for_later_beyond_bounds_by_an_absolute_time_is_a_dead_letter(tower: InMemory) -> None:
    tower.send(ringing(), at=START + timedelta(days=500))
    (letter,) = tower.dead_letters
    assert "more than 400 days" in letter.detail


# -- cancelling


def test_a_cancelled_command_is_never_delivered_and_who_cancels_is_told(tower: InMemory) -> None:
    tower.send(ringing(), after=HOUR, id="one")
    assert tower.cancel(RingBell, "a", "one") == Accepted()
    assert tower.cancel(RingBell, "a", "one") == Accepted()
    tower.advance(DAY)
    assert tower.commands(RingBell) == []


def test_a_command_that_was_delivered_is_not_cancelled(tower: InMemory) -> None:
    tower.send(ringing(), after=HOUR, id="one")
    tower.advance(HOUR)
    outcome = tower.cancel(RingBell, "a", "one")
    assert isinstance(outcome, Rejected)
    assert outcome.code == "too_late"
    assert len(tower.commands(RingBell)) == 1


def test_a_command_that_nobody_scheduled_is_not_cancelled(tower: InMemory) -> None:
    outcome = tower.cancel(RingBell, "a", "other")
    assert isinstance(outcome, Rejected)
    assert outcome.code == "unknown"


def test_a_command_of_somebody_else_is_not_cancelled(tower: InMemory) -> None:
    tower.send(ringing(), after=HOUR, id="one")
    outcome = tower.acting_as("bob", ["bells:ring"]).cancel(RingBell, "a", "one")
    assert isinstance(outcome, Rejected)
    assert outcome.code == "forbidden"
    tower.advance(HOUR)
    assert len(tower.commands(RingBell)) == 1


def test_a_cancellation_is_unknown_while_its_scheduler_is_down_and_holds_when_it_is_back(tower: InMemory) -> None:
    tower.send(ringing(), after=HOUR, id="one")
    with tower.paused("tower.bells.scheduler"):
        with pytest.raises(OutcomeUnknownError):
            tower.cancel(RingBell, "a", "one")
        tower.advance(2 * HOUR)
    tower.advance(HOUR)
    assert tower.commands(RingBell) == []


def test_a_delivered_command_is_forgotten_with_its_id(tower: InMemory) -> None:
    tower.send(ringing(), after=HOUR, id="one")
    tower.advance(HOUR + 7 * DAY - MINUTE)
    assert isinstance(found := tower.cancel(RingBell, "a", "one"), Rejected)
    assert found.code == "too_late"
    tower.advance(2 * MINUTE)
    assert isinstance(found := tower.cancel(RingBell, "a", "one"), Rejected)
    assert found.code == "unknown"


# -- from subscribers


def test_a_subscriber_sends_a_command_for_later(tower: InMemory) -> None:
    subscriber = Subscriber("tower.reminders", sends=[OilBell])

    @subscriber.on
    def remind(event: BellRung, context: SubscriberContext) -> None:
        context.send(OilBell(bell_id=event.bell_id, note="1"), after=3 * DAY)

    with tower_of(subscriber) as reminded:
        reminded.ask(ringing())
        assert reminded.commands(OilBell) == []
        reminded.advance(3 * DAY)
        assert notes(reminded) == ["", "oiled 1"]


# -- schedules


def daily(**more: object) -> Schedule:
    said: dict[str, object] = {"cron": "30 1 * * *", "timezone": "Europe/London", "sends": ringing(), **more}
    said.setdefault("scopes", ["bells:ring"])
    return Schedule("tower.bells.daily", **said)  # type: ignore[arg-type]


def test_a_schedule_fires_once_for_each_of_its_times(tower: InMemory) -> None:
    due = list[datetime]()

    def ring(moment: datetime) -> RingBell:
        due.append(moment)
        return RingBell(bell_id=f"{moment:%d}")

    with tower_of(daily(sends=ring)) as scheduled:
        scheduled.advance(3 * DAY)
        assert [each.bell_id for each in scheduled.commands(RingBell)] == ["29", "30", "31"]
        assert [each.id for each in scheduled.outcomes(RingBell)] == [
            "tower.bells.daily@2026-03-29T01:00:00Z",  # 1:30 is left out this night: it is due when clocks are set
            "tower.bells.daily@2026-03-30T00:30:00Z",
            "tower.bells.daily@2026-03-31T00:30:00Z",
        ]
        assert due[1] == datetime(2026, 3, 30, 1, 30, tzinfo=ZoneInfo("Europe/London"))


@pytest.mark.parametrize(
    ("missed", "days"), [("latest", ["31", "01"]), ("all", ["29", "30", "31", "01"]), ("none", ["01"])]
)
def test_what_a_schedule_has_missed_is_fired_by_its_rule(missed: str, days: list[str]) -> None:
    schedule = daily(missed=missed, sends=lambda due: RingBell(bell_id=f"{due:%d}"))
    with tower_of(schedule) as scheduled:
        with scheduled.paused("tower.bells.scheduler"):
            scheduled.advance(3 * DAY)
        scheduled.advance(DAY)
        assert [each.bell_id for each in scheduled.commands(RingBell)] == days


def test_a_schedule_whose_function_raises_stands_still_alone_and_goes_on_when_it_is_mended() -> None:
    wrong = [True]

    def sends(due: datetime) -> RingBell:
        if wrong[0]:
            raise RuntimeError("no such bell")
        return RingBell(bell_id=f"{due:%d}")

    with tower_of(daily(sends=sends)) as scheduled:
        scheduled.send(ringing(note="7"), after=DAY)
        scheduled.advance(DAY)
        assert notes(scheduled) == ["7"]
        (row,) = [row for row in scheduled.rows(scheduled._project.schedulers[0]).values() if row.failure]
        assert "no such bell" in row.failure
        wrong[0] = False
        scheduled.advance(MINUTE)
        assert [each.bell_id for each in scheduled.commands(RingBell)] == ["a", "29"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"cron": "every day"}, "is no cron expression"),
        ({"timezone": "Europe/Londn"}, "is unknown: use a name of the tz database"),
        ({"missed": "some"}, "is unknown: use one of latest, all, none"),
        ({"sends": "RingBell"}, "give a command, or a function"),
        ({"scopes": "bells:ring"}, "write a list of texts"),
    ],
)
def test_a_schedule_that_is_none_is_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ContractError, match=why):
        daily(**wrong)


def test_a_schedule_of_another_context_or_without_its_scopes_is_refused() -> None:
    with pytest.raises(ContractError, match="requires bells:ring: it would be refused"):
        tower_of(daily(sends=ringing(), scopes=[]))
    with tower_of(daily(sends=MuteBell(bell_id="a"))) as scheduled:
        scheduled.advance(DAY)
        assert scheduled.commands(MuteBell) == [MuteBell(bell_id="a")]
    with pytest.raises(ContractError, match="which has no commands"):
        tower_of(Schedule("tower.hours.daily", cron="0 0 * * *", sends=ringing()))
    with pytest.raises(ContractError, match="two schedules are called"):
        tower_of(daily(), daily(cron="0 0 * * *"))


# -- grants


def test_a_command_for_later_proves_whose_it_is_when_it_is_delivered_weeks_after_it_was_sent(tower: InMemory) -> None:
    tower.send(OilBell(bell_id="a", note="1"), after=20 * DAY)
    tower.advance(20 * DAY)
    assert notes(tower) == ["oiled 1"]


def test_a_command_for_later_with_a_false_grant_is_refused_by_its_receiver_and_takes_nobodys_id(
    tower: InMemory,
) -> None:
    honest = OilBell(bell_id="a", note="1")
    with tower.paused("tower.bells.scheduler"):
        tower.send(honest, after=DAY, id="one")
        (record,) = tower._topics.records("tower.bells.scheduled")
        headers = [(name, b"1.9.x" if name == "vw_grant" else value) for name, value in record.headers]
        tower._topics._logs[record.topic, record.partition].clear()
        tower._topics.append(record.topic, record.partition, record.key, record.value, headers)
        tower._topics.append(record.topic, record.partition, record.key, record.value, record.headers)
    (refused,) = tower.outcomes()
    assert isinstance(refused.outcome, Rejected)
    assert refused.outcome.details == {"grant": "false"}
    tower.advance(DAY)
    assert notes(tower) == ["oiled 1"]


def test_commands_for_later_that_wait_are_counted_for_the_metrics(tower: InMemory) -> None:
    for number in range(5):
        tower.send(ringing(f"bell-{number}"), after=HOUR + number * MINUTE, id=f"id-{number}")
    tower.cancel(RingBell, "bell-4", "id-4")
    tower.advance(HOUR)
    reader = tower._engine_group(SCHEDULER).store_reader
    sizes, metrics = TableSizes(lambda: {SCHEDULER: reader, "other": reader}, (), [SCHEDULER]), Metrics()
    sizes.look()
    metrics.process.tables(sizes.sizes)
    told = [
        line for line in metrics.exposition().decode().splitlines() if line.startswith("verbwire_scheduled_pending")
    ]
    assert told == [f'verbwire_scheduled_pending{{group="{SCHEDULER}"}} 3.0'], "one was delivered, one cancelled"
