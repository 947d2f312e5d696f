"""Asking queries by the SDK: typed replies, what a refusal is, and asking again while nobody can answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.http import CATALOG, EVENTS, SECRET
from tests.kit.market import NOON, Market, open_market, stall
from tests.kit.samples.town.market import (
    FindStalls,
    FindTurnover,
    GetStall,
    GetTurnover,
    QuotePrice,
    StallStatus,
    TurnoverRow,
)
from verbwire import Query
from verbwire.client import Page
from verbwire.client.base.connection import Connection
from verbwire.client.base.credentials import token_of
from verbwire.client.base.positions import SeenPositions
from verbwire.client.querying.querier import Querier
from verbwire.engine.state.partition_state import PartitionState
from verbwire.engine.state.reader import EndOffsets
from verbwire.errors import (
    BadQueryError,
    ClosedError,
    ConfigurationError,
    NotAllowedError,
    NotFoundError,
    QueryError,
    UnavailableError,
    UnencodableError,
    WrongVerbError,
)
from verbwire.names import Names
from verbwire.security.tokens import mint_token
from verbwire.settings import Settings
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.outcomes import EventPosition
from verbwire.wire.registry.client import Registry

NOWHERE = "http://127.0.0.1:9"  # the port of "discard": nobody listens
Asks = Callable[..., Querier]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with open_market(tmp_path_factory.mktemp("market")) as opened:
        yield opened


@pytest.fixture
def asks(market: Market) -> Iterator[Asks]:
    """Makes queriers of somebody's, and closes them."""
    opened: list[Querier] = []

    def make(scopes: str = "stalls:read stalls:all", actor: str = "ann", **more: Any) -> Querier:
        def token() -> str | None:
            return mint_token(SECRET, actor, scopes.split()) if actor else None

        url = "http://{}:{}".format(*market.http.address)
        positions = more.pop("positions", None) or SeenPositions()
        options = {"http_endpoints": (url,), "token": token, **more}
        connection = Connection("127.0.0.1:9", NOWHERE, Names("town"), CATALOG, **options)
        opened.append(Querier(connection, lambda: Codec(CATALOG, Registry(NOWHERE), connection.names), positions))
        return opened[-1]

    yield make
    for querier in opened:
        querier.close()


def ask(querier: Querier, query: Any, timeout: float = 10.0, after: Page | None = None) -> Any:
    return querier.query(query, timeout, after).result()


def test_a_reply_is_of_its_class(asks: Asks) -> None:
    assert ask(asks(), GetStall(stall_id="07")) == stall(7)
    assert ask(asks(), GetTurnover(stall_id="a", minute=NOON)) == TurnoverRow(stall_id="a", minute=NOON, pence=0)
    price = ask(asks(), QuotePrice(goods="tea & cake/ü", pieces=(1, 2)))
    assert (price.goods, price.amount) == ("tea & cake/ü for ann", Decimal("3.60"))


def test_a_list_is_a_page_after_another(asks: Asks) -> None:
    querier, query = asks(), FindStalls(status=StallStatus.OPEN, sort="-fee", page_size=7)
    page = ask(querier, query)
    assert (page.page, page.page_size, page.complete) == (1, 7, True)
    rows = list(page.rows)
    while page.next is not None:
        page = ask(querier, query, after=page)
        rows += page.rows
    assert rows == [stall(n) for n in reversed(range(24)) if n % 4]
    with pytest.raises(UnencodableError, match="it is the last one"):
        querier.query(query, 1.0, page)


def test_values_of_every_sort_travel(asks: Asks) -> None:
    half_past = datetime(2010, 12, 1, 14, 30, tzinfo=UTC).astimezone()
    query = FindStalls(
        owner="bob", opened_at_from=half_past, fee_from=Decimal("0.30"), search="Caf* ", visitors=4, page_size=3
    )
    assert ask(asks(), query).rows == (stall(4),)
    turnover = FindTurnover(stall_id="b", minute_until=NOON + timedelta(minutes=2))
    assert [row.pence for row in ask(asks(), turnover).rows] == [0, 1]


def test_an_answer_is_awaited_in_any_loop(asks: Asks) -> None:
    querier = asks()

    async def both() -> list[Any]:
        return await asyncio.gather(*(_awaited(querier, GetStall(stall_id=f"{n:02}")) for n in range(20)))

    assert asyncio.run(both()) == [stall(n) for n in range(20)]


async def _awaited(querier: Querier, query: Any) -> Any:
    return await querier.query(query, 10.0, None)


@pytest.mark.parametrize(
    ("who", "query", "error", "status", "code"),
    [
        ({}, GetStall(stall_id="99"), NotFoundError, 404, "not_found"),
        ({"scopes": "stalls:read"}, GetStall(stall_id="07"), NotFoundError, 404, "not_found"),
        ({"scopes": ""}, GetStall(stall_id="07"), NotAllowedError, 403, "forbidden"),
        ({"actor": ""}, GetStall(stall_id="07"), NotAllowedError, 401, "unauthenticated"),
        ({}, FindStalls(sort="goods"), BadQueryError, 400, "bad_parameter"),
        ({}, QuotePrice(goods="unknown"), NotFoundError, 404, "not_found"),
        ({}, QuotePrice(goods="broken"), QueryError, 500, "broken"),
    ],
)
def test_a_refusal_is_raised_with_its_reason(
    asks: Asks, who: dict[str, str], query: Any, error: type[QueryError], status: int, code: str
) -> None:
    with pytest.raises(QueryError) as raised:
        ask(asks(**who), query)
    assert (type(raised.value), raised.value.status, raised.value.code) == (error, status, code)
    assert query.__contract__ in str(raised.value)


def test_a_query_of_another_class_is_refused_at_once(asks: Asks) -> None:
    with pytest.raises(WrongVerbError, match="only queries are asked so"):
        asks().query(stall(1), 1.0, None)  # type: ignore[arg-type]  # that is the point


def test_a_query_is_retried_while_nobody_can_answer(asks: Asks, market: Market) -> None:
    states = list(market.stalls.store_reader.states.values())
    for state in states:
        state.state = PartitionState.RESTORING
    threading.Timer(0.3, market.stalls.mend).start()
    assert ask(asks(), GetStall(stall_id="07")) == stall(7)


def test_several_endpoints_are_tried_like_bootstrap_servers(asks: Asks, market: Market) -> None:
    there = "http://{}:{}/".format(*market.http.address)
    for _ in range(4):
        assert ask(asks(http_endpoints=(NOWHERE, there)), GetStall(stall_id="07")) == stall(7)


def test_an_endpoint_that_is_not_reached_names_the_setting(asks: Asks) -> None:
    with pytest.raises(UnavailableError, match="VERBWIRE_HTTP_ENDPOINTS"):
        ask(asks(http_endpoints=(NOWHERE,)), GetStall(stall_id="07"), timeout=0.1)


@pytest.mark.parametrize("cause", ["not ready", "nobody there"])
def test_a_query_times_out(asks: Asks, market: Market, cause: str) -> None:
    for state in market.stalls.store_reader.states.values():
        state.state = PartitionState.RUNNING if cause == "nobody there" else PartitionState.CLOSED
    querier = asks(**({"http_endpoints": (NOWHERE,)} if cause == "nobody there" else {}))
    began = time.monotonic()
    try:
        with pytest.raises(
            UnavailableError, match=r"town\.market\.GetStall was not answered in time: .*(ask again|9 does)"
        ):
            ask(querier, GetStall(stall_id="07"), timeout=0.4)
    finally:
        market.stalls.mend()
    assert time.monotonic() - began < 2


def hold_back(market: Market, records: int = 1) -> None:
    for state in market.stalls.store_reader.states.values():
        state.end_offsets = EndOffsets({EVENTS: state.inputs[EVENTS] + records})


def test_an_answer_says_whether_its_table_has_caught_up(asks: Asks, market: Market) -> None:
    querier = asks()
    queries: list[Query] = [GetStall(stall_id="07"), FindStalls()]
    answers = [querier.query(each, 10.0, None) for each in queries]
    assert [(each.result(10) is not None, each.complete) for each in answers] == [(True, True)] * 2
    quoted = querier.query(QuotePrice(goods="tea", pieces=(1,)), 10.0, None)
    assert (quoted.result(10).goods, quoted.complete) == ("tea for ann", None), "no table answers that one"
    hold_back(market)
    try:
        answers = [querier.query(each, 10.0, None) for each in queries]
        assert answers[0].result(10) == stall(7)
        assert not answers[1].result(10).complete
        assert [each.complete for each in answers] == [False, False]
    finally:
        market.stalls.mend()


@pytest.mark.parametrize("query", [GetStall(stall_id="07"), FindStalls()])
def test_a_complete_answer_is_waited_for(asks: Asks, market: Market, query: Any) -> None:
    hold_back(market)
    with pytest.raises(UnavailableError, match=r"not answered in time: .*ask again"):
        asks().query(query, 0.3, None, fresh="complete").result()
    hold_back(market)
    threading.Timer(0.3, market.stalls.mend).start()
    answer = asks().query(query, 10.0, None, fresh="complete")
    assert answer.result() is not None
    assert answer.complete


def test_not_found_is_not_said_by_a_table_that_is_behind(asks: Asks, market: Market) -> None:
    hold_back(market)
    with pytest.raises(UnavailableError, match="the table is catching up"):
        ask(asks(), GetStall(stall_id="none"), timeout=0.3)
    threading.Timer(0.3, market.stalls.mend).start()
    with pytest.raises(NotFoundError):
        ask(asks(), GetStall(stall_id="none"))


def test_a_worker_that_does_not_know_a_topic_is_not_the_last_to_be_asked(tmp_path: Path) -> None:
    """It may be of an older version than whoever has carried out our command; another may know it."""
    seen = SeenPositions()
    seen.remember([EventPosition(topic="town.newer.events", partition=0, offset=1)])
    with open_market(tmp_path, topics={EVENTS}) as market:
        url = "http://{}:{}".format(*market.http.address)
        token = mint_token(SECRET, "ann", ["stalls:read"])
        connection = Connection(
            "127.0.0.1:9", NOWHERE, Names("town"), CATALOG, http_endpoints=(url,), token=lambda: token
        )
        querier = Querier(connection, lambda: Codec(CATALOG, Registry(NOWHERE), connection.names), seen)
        try:
            with pytest.raises(UnavailableError, match=r"no contract of this worker has the topic town\.newer\.events"):
                ask(querier, GetStall(stall_id="06"), timeout=0.3)
        finally:
            querier.close()


def test_read_your_writes_positions_go_with_the_query(asks: Asks, market: Market) -> None:
    state = market.stalls.store_reader.states[0]
    positions = SeenPositions()
    positions.remember([EventPosition(topic=EVENTS, partition=0, offset=999)])
    before = dict(state.inputs)

    def apply() -> None:
        state.inputs[EVENTS] = 1000
        market.stalls.store_reader.moved(0)

    applied = threading.Timer(0.2, apply)
    applied.start()
    try:
        assert ask(asks(positions=positions), FindStalls()).complete
        assert state.inputs[EVENTS] == 1000
    finally:
        applied.join()
        state.inputs = before


def test_closing_the_client_ends_its_queries(asks: Asks) -> None:
    querier = asks(http_endpoints=(NOWHERE,))
    waiting = [querier.query(GetStall(stall_id="07"), 30.0, None) for _ in range(40)]
    began = time.monotonic()
    querier.close()
    for answer in waiting:
        with pytest.raises(ClosedError):
            answer.result(1.0)
    assert time.monotonic() - began < 3
    with pytest.raises(ClosedError):
        querier.query(GetStall(stall_id="07"), 1.0, None)


def test_tokens_are_what_the_settings_say() -> None:
    known = {"bootstrap": "localhost:9092", "http_secret": SECRET}
    assert token_of(Settings(**known))() is None  # type: ignore[arg-type]  # by name
    mine = token_of(Settings(**known, actor="ann", scopes=("a:b",)))  # type: ignore[arg-type]  # likewise
    assert mine() == mine()
    assert token_of(Settings(**known, actor="ann", http_token="given"))() == "given"  # type: ignore[arg-type]  # likewise
    with pytest.raises(ConfigurationError, match="VERBWIRE_HTTP_TOKEN"):
        token_of(Settings(bootstrap="b", http_jwks_url="http://keys", actor="ann"))()
