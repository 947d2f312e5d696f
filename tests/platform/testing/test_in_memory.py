"""The project in memory: the same outcomes, rows and letters as on a worker, without a broker."""

from __future__ import annotations

import asyncio
import doctest
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consumers.forms import forms
from schemas.forms import CheckOrderForm
from schemas.orders import FindOrders, GetOrder, OrderConfirmed, PlaceOrder
from schemas.sales import SalesPerMinute
from streams.orders import orders
from tests.kit import bank_jars, bank_tills, foreign_writer, offers
from tests.kit.bank import CATALOG
from tests.kit.http import CATALOG as TOWN
from tests.kit.samples.bank.jars import (
    CoinsPut,
    JarRow,
    JarSeal,
    JarState,
    PutCoins,
    SealJar,
    ShakeJar,
    TakeCoins,
)
from tests.kit.samples.bank.tills import CoinsMoved, OwnerRow
from tests.kit.samples.office.labels import PrintLabels
from tests.kit.samples.office.parcels import ParcelArrived
from tests.kit.samples.town.offers import FindOffers, GetOffer, Offer
from tests.kit.subscribers import CATALOG as DEPOT
from tests.shop import ROOT, catalog, shop_in_memory
from verbwire import (
    Accepted,
    Expired,
    Failed,
    Job,
    JobContext,
    Rejected,
    Responder,
    Subscriber,
    SubscriberContext,
)
from verbwire.answering import answering
from verbwire.client import Client, Connection
from verbwire.errors import (
    BadQueryError,
    ContractError,
    NotAllowedError,
    NotFoundError,
    OutcomeUnknownError,
    QueryError,
    UnencodableError,
    WrongVerbError,
)
from verbwire.names import Names
from verbwire.testing import GroupStoppedError, InMemory, effects_of
from verbwire.testing.memory.grants import MemorySigner

receiver, table = bank_jars.receiver(), bank_jars.table()
owners, minutes, savings = bank_tills.owners(), bank_tills.own_minutes(), bank_tills.savings()
NOW = datetime(2100, 3, 1, 12, tzinfo=UTC)  # long after today, by which nothing may go here


@pytest.fixture
def bank() -> Iterator[InMemory]:
    with InMemory(receiver, table, catalog=CATALOG, actor="ann", scopes=["jars:write"], now=NOW) as found:
        yield found


@pytest.fixture
def tills() -> Iterator[InMemory]:
    groups = (receiver, owners, minutes, savings)
    with InMemory(*groups, catalog=CATALOG, actor="ann", scopes=["jars:write"], partitions=4, now=NOW) as found:
        yield found


def moved(seconds: float = 0, owner: str | None = "ann", pence: int = 1, **more: Any) -> CoinsMoved:
    return CoinsMoved(till_id="t1", owner=owner, pence=pence, moved_at=NOW + timedelta(seconds=seconds), **more)


def test_an_asked_command_has_its_outcome_its_events_and_its_rows(bank: InMemory) -> None:
    assert bank.ask(PutCoins(jar_id="a", pence=5)) == Accepted()
    assert bank.ask(SealJar(jar_id="b")) == Accepted(reply=JarSeal(jar_id="b", number=7))
    assert bank.events(CoinsPut) == [CoinsPut(jar_id="a", pence=5)]
    assert bank.row(table, "a") == JarRow(jar_id="a", pence=5)
    assert bank.row(table, "c") is None
    assert bank.rows(receiver)["a"] == JarState(jar_id="a", pence=5)


def test_a_duplicate_id_is_carried_out_once_and_a_reused_one_is_rejected(bank: InMemory) -> None:
    assert bank.ask(PutCoins(jar_id="a", pence=5), id="1") == bank.ask(PutCoins(jar_id="a", pence=5), id="1")
    reused = bank.ask(PutCoins(jar_id="a", pence=6), id="1")
    assert isinstance(reused, Rejected)
    assert reused.code == "id_reused"
    assert bank.row(table, "a") == JarRow(jar_id="a", pence=5)
    assert [(each.group, each.reason) for each in bank.dead_letters] == [(receiver.group, "id-reused")]


def test_a_command_without_its_scope_is_rejected_before_any_handler(bank: InMemory) -> None:
    forbidden = bank.acting_as("bob").ask(TakeCoins(jar_id="a", pence=1))
    assert isinstance(forbidden, Rejected)
    assert forbidden.code == "forbidden"
    assert bank.acting_as(None).ask(ShakeJar(jar_id="a")) == Accepted()
    assert [(each.command, each.outcome) for each in bank.rejections] == [(TakeCoins.__contract__, forbidden)]


def test_a_command_out_of_bounds_is_refused_by_its_sender_and_by_its_receiver(
    bank: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnencodableError, match="pence is more than its maximum"):
        bank.ask(PutCoins(jar_id="a", pence=bank_jars.MOST + 1))
    codec = bank._codec
    with monkeypatch.context() as patch:
        written = codec.encoder(CATALOG.of(PutCoins))
        patch.setattr(codec, "encoder", lambda _: foreign_writer.without_bounds(written))
        rejected = bank.acting_as("bob").ask(PutCoins(jar_id="a", pence=bank_jars.MOST + 1))
    assert isinstance(rejected, Rejected)
    assert rejected.code == "out_of_bounds"


def test_what_cannot_be_written_is_refused_by_the_encoder(bank: InMemory) -> None:
    with pytest.raises(UnencodableError):
        bank.send(TakeCoins(jar_id="a", pence=2**31))
    with pytest.raises(WrongVerbError):
        bank.publish(ShakeJar(jar_id="a"))  # type: ignore[arg-type]  # what a user may get wrong
    assert isinstance(bank.ask(PutCoins(jar_id="a", pence=1, how="event beyond its type")), Failed)


def test_an_aggregates_handler_that_raises_fails_the_command_and_leaves_a_dead_letter(bank: InMemory) -> None:
    outcome = bank.ask(PutCoins(jar_id="a", pence=1, how="raises"))
    assert isinstance(outcome, Failed)
    assert "the jar fell down" in outcome.reason
    (letter,) = bank.dead_letters
    assert (letter.group, letter.topic, letter.reason) == (receiver.group, "bank.jars.commands", "failed")
    assert "RuntimeError: the jar fell down" in letter.detail
    assert bank.ask(PutCoins(jar_id="a", pence=1)) == Accepted()


def test_a_tables_handler_that_raises_stops_its_group_and_no_other(bank: InMemory) -> None:
    with pytest.raises(GroupStoppedError, match=r"bank\.jars stopped at bank\.jars\.events/0/0") as caught:
        bank.publish(CoinsPut(jar_id="a", pence=1, how="raises"))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert [*bank.stopped] == [table.group]
    assert bank.ask(PutCoins(jar_id="a", pence=1)) == Accepted()
    assert bank.rows(table) == {}


def test_a_command_expires_by_the_clock_while_its_receiver_is_paused(bank: InMemory) -> None:
    with bank.paused(receiver):
        with pytest.raises(OutcomeUnknownError):
            bank.ask(PutCoins(jar_id="a", pence=1), ttl=5)
        bank.send(PutCoins(jar_id="a", pence=2), ttl=50)
        bank.advance(10)
        assert bank.now == NOW + timedelta(seconds=10)
        assert bank.outcomes() == []
    assert [each.outcome for each in bank.outcomes()] == [Expired(), Accepted()]
    assert bank.row(table, "a") == JarRow(jar_id="a", pence=2)


@pytest.mark.parametrize("partitions", [1, 5])
def test_a_rekeyed_table_counts_under_its_new_key_whatever_the_partitions(partitions: int) -> None:
    with InMemory(owners, catalog=CATALOG, partitions=partitions, actor="ann") as tills:
        for till in range(8):
            tills.publish(CoinsMoved(till_id=f"t{till}", owner="ann", pence=till, moved_at=NOW))
        row = tills.row(owners, "ann")
        assert isinstance(row, OwnerRow)
        assert row.pence == sum(range(8))


def test_a_window_closes_by_the_newest_event_time_and_later_events_are_late(tills: InMemory) -> None:
    tills.publish(moved(0))
    tills.publish(moved(61))
    assert {start for _, start in tills.rows(minutes)} == {NOW, NOW + timedelta(minutes=1)}
    tills.publish(moved(59))  # within its lateness
    tills.publish(moved(91))
    tills.publish(moved(58))
    assert tills.late(minutes) == 1
    assert {row.pence for row in tills.rows(minutes).values()} == {2}


def test_an_event_ahead_of_its_time_is_measured_by_the_clock_in_hand(tills: InMemory) -> None:
    ahead = 3 * 86400
    tills.publish(moved(ahead))
    assert not tills.rows(minutes)
    tills.advance(ahead)
    tills.publish(moved(ahead))
    assert len(tills.rows(minutes)) == 1


def test_a_process_hears_the_outcomes_of_the_commands_that_it_sends(tills: InMemory) -> None:
    tills.publish(moved(pence=3, how="tagged"))
    state = tills.row(savings, "ann")
    assert state is not None
    assert state.told == ("Accepted of first", "Rejected jar_full of second")
    assert tills.commands(PutCoins, TakeCoins) == [
        PutCoins(jar_id="ann", pence=3),
        PutCoins(jar_id="ann", pence=bank_jars.FULL + 1),
        TakeCoins(jar_id="ann", pence=1),
    ]
    assert tills.rows(receiver)["ann"] == JarState(jar_id="ann", pence=2)


def test_a_subscriber_is_tried_again_and_gives_up_into_the_dead_letters() -> None:
    attempts: list[int] = []
    arrivals = Subscriber("office.arrivals", retries=2, publishes=[ParcelArrived])

    @arrivals.on
    def arrived(event: ParcelArrived, context: SubscriberContext) -> None:
        attempts.append(context.attempt)
        if event.parcel_id == "broken":
            raise RuntimeError("it fell")
        if event.parcel_id == "first":
            context.publish(ParcelArrived(parcel_id="second"))

    with InMemory(arrivals, catalog=DEPOT, actor="ann") as depot:
        depot.publish(ParcelArrived(parcel_id="broken"))
        assert attempts == [1, 2, 3]
        (letter,) = depot.dead_letters
        assert (letter.group, letter.reason) == ("office.arrivals", "failed")
        depot.publish(ParcelArrived(parcel_id="first"))
        assert [each.parcel_id for each in depot.events(ParcelArrived)] == ["broken", "first", "second"]


def test_a_job_that_requeues_its_command_gets_it_again_as_time_goes_on() -> None:
    attempts: list[str] = []
    labels = Job("office.labels")

    @labels.handles
    def print_labels(command: PrintLabels, context: JobContext) -> None:
        attempts.append(command.batch_id)
        if len(attempts) < 2:
            raise context.requeue()

    with InMemory(labels, catalog=DEPOT, actor="ann", scopes=["labels:print"]) as depot:
        depot.send(PrintLabels(batch_id="a"))
        assert attempts == ["a"]
        depot.advance(1)
        depot.advance(1)
        assert attempts == ["a", "a"]
        with pytest.raises(WrongVerbError, match="has no outcome"):
            depot.ask(PrintLabels(batch_id="b"))


def test_asynchronous_handlers_are_awaited_and_tried_again_like_plain_ones() -> None:
    attempts: list[int] = []
    arrivals, labels = Subscriber("office.arrivals", retries=1, sends=[PrintLabels]), Job("office.labels")

    @arrivals.on
    async def arrived(event: ParcelArrived, context: SubscriberContext) -> None:
        await asyncio.sleep(0)
        attempts.append(context.attempt)
        if event.parcel_id == "broken":
            raise RuntimeError("it fell")
        context.send(PrintLabels(batch_id=event.parcel_id))

    @labels.handles
    async def print_labels(command: PrintLabels, context: JobContext) -> None:
        await asyncio.sleep(0)
        attempts.append(0)
        if len(attempts) == 4:
            raise context.requeue()

    sends = Subscriber("office.arrivals", scopes=("labels:print",), retries=1, sends=[PrintLabels])
    sends.handlers = arrivals.handlers
    with InMemory(sends, labels, catalog=DEPOT, actor="ann") as depot:
        depot.publish(ParcelArrived(parcel_id="broken"))
        assert [(each.reason, attempts) for each in depot.dead_letters] == [("failed", [1, 2])]
        depot.publish(ParcelArrived(parcel_id="good"))
        assert attempts == [1, 2, 1, 0]
        depot.advance(1)
        assert attempts == [1, 2, 1, 0, 0]
    assert effects_of(sends, ParcelArrived(parcel_id="x")) == [PrintLabels(batch_id="x")]


def test_a_responder_that_awaits_something_outside_answers_queries_by_a_resource_or_what_a_test_holds() -> None:
    engine, happened = offers.search_engine()
    found = offers.responder(engine)
    with InMemory(engine, found, catalog=TOWN, actor="ann", scopes=["offers:read"]) as town:
        page = town.query(FindOffers(words="tea"))
        assert ([each.offer_id for each in page.rows], page.complete, page.page_size) == (["0", "1", "2"], True, 3)
        rest = town.query(FindOffers(words="tea"), after=page)
        assert [each.offer_id for each in rest.rows] == ["3", "4", "5"]
        assert town.query(FindOffers(words="partly", page_size=7)).complete is False
        with pytest.raises(QueryError, match="the search engine does not answer") as refused:
            town.query(FindOffers(words="down"))
        assert (refused.value.status, refused.value.code) == (503, "source_unavailable")
        with pytest.raises(BadQueryError, match="nobody knows these"):
            town.query(FindOffers(words="odd"))
        with pytest.raises(NotFoundError):
            town.query(GetOffer(offer_id="none"))
    assert happened == ["opened", "closed"]
    with (
        engine.holding(offers.Engine()),
        InMemory(engine, found, catalog=TOWN, actor="ann", scopes=["offers:read"]) as town,
    ):
        assert len(town.query(FindOffers(words="tea")).rows) == 3
    assert happened == ["opened", "closed"]


def test_a_responder_cannot_write() -> None:
    found, clients = Responder("town.offers"), list[Any]()

    @found.answers
    def get(query: GetOffer) -> Offer:
        clients[0].publish(ParcelArrived(parcel_id="x"))
        return Offer(offer_id=query.offer_id, seller="ann", pence=1)

    with InMemory(found, catalog=TOWN, actor="ann", scopes=["offers:read"]) as town:
        clients.append(town)
        with pytest.raises(WrongVerbError, match=r"town\.offers\.GetOffer is a query, which changes nothing: its resp"):
            town.query(GetOffer(offer_id="x"))
    with Client(Connection("127.0.0.1:1", "http://127.0.0.1:1", Names("town"), TOWN)) as client, answering("town.Get"):
        verbs: list[Any] = [client.send, client.ask, client.publish]
        for verb in verbs:
            with pytest.raises(WrongVerbError, match=r"town\.Get is a query"):
                verb(ParcelArrived(parcel_id="x"))


def test_a_command_that_nobody_receives_says_which_aggregate_is_missing() -> None:
    with (
        InMemory(table, catalog=CATALOG, actor="ann") as bank,
        pytest.raises(ContractError, match=r"nobody here receives ShakeJar: give InMemory the Aggregate\('bank.jars'"),
    ):
        bank.ask(ShakeJar(jar_id="a"))


def test_a_group_that_is_not_there_is_named_with_those_that_are(bank: InMemory) -> None:
    with pytest.raises(ContractError, match=r"bank\.owners is no group of this project: there are bank\.jars"):
        bank.rows(owners)


def test_handlers_that_cause_each_other_without_end_are_found_out() -> None:
    echo = Subscriber("office.echo", publishes=[ParcelArrived])

    @echo.on
    def arrived(event: ParcelArrived, context: SubscriberContext) -> None:
        context.publish(event)

    with (
        InMemory(echo, catalog=DEPOT, actor="ann") as depot,
        pytest.raises(AssertionError, match="cause each other in a circle"),
    ):
        depot.publish(ParcelArrived(parcel_id="a"))


def test_importing_the_kit_for_handlers_does_not_import_the_engine() -> None:
    code = "import sys, verbwire.testing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"confluent_kafka", "starlette"} & set(loaded)


@pytest.fixture
def shop() -> Iterator[InMemory]:
    with shop_in_memory() as found:
        for number in range(5):
            order = PlaceOrder(order_id=str(number), customer_id="ann", country="EIRE", total_pence=5, placed_at=NOW)
            found.send(order)
        yield found


def test_queries_are_answered_as_over_http_page_after_page(shop: InMemory) -> None:
    ann = shop.acting_as("ann")
    assert ann.query(GetOrder(order_id="3")) == shop.row(orders, "3")
    first = ann.query(FindOrders(page_size=3))
    assert [row.order_id for row in first.rows] == ["0", "1", "2"]
    assert [row.order_id for row in ann.query(FindOrders(page_size=3), after=first).rows] == ["3", "4"]


def test_queries_show_nobody_more_than_over_http(shop: InMemory) -> None:
    bob = shop.acting_as("bob")
    with pytest.raises(NotFoundError):
        bob.query(GetOrder(order_id="3"))
    assert bob.query(FindOrders()).rows == ()
    with pytest.raises(NotAllowedError, match="sales:read"):
        bob.query(SalesPerMinute())


def test_queries_are_answered_within_a_running_loop_and_by_responders() -> None:
    async def asked() -> None:
        with InMemory(forms, catalog=catalog(), actor="ann") as shop:
            assert not shop.query(CheckOrderForm()).ok

    asyncio.run(asked())


def test_grants_that_a_project_requires_are_signed_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERBWIRE_GRANTS", "required")
    groups = (receiver, owners, savings)
    with InMemory(*groups, catalog=CATALOG, actor="ann", scopes=["jars:write"], now=NOW) as bank:
        bank.advance(10 * 86400)  # this machine's clock says nothing here
        assert bank.ask(PutCoins(jar_id="a", pence=1)) == Accepted()
        bank.publish(moved(pence=3))
        assert [each.outcome for each in bank.outcomes(PutCoins)] == [Accepted(), Accepted()]
        with monkeypatch.context() as patch:
            patch.setattr(MemorySigner, "header", lambda *_: ("vw_grant", b"1.9.forged"))
            forged = bank.ask(PutCoins(jar_id="b", pence=1))
        assert isinstance(forged, Rejected)
        assert forged.details == {"grant": "false"}


def test_the_example_of_in_memory_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERBWIRE_DATA", str(tmp_path))
    monkeypatch.chdir(ROOT)
    names = {"PlaceOrder": PlaceOrder, "GetOrder": GetOrder, "OrderConfirmed": OrderConfirmed, "orders": orders}
    example = doctest.DocTestParser().get_doctest(InMemory.__doc__ or "", names, "InMemory", None, None)
    said: list[str] = []
    found = doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert (found.failed, found.attempted > 2) == (0, True), "".join(said)
