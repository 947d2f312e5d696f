"""A market: its tables behind HTTP, the queries that they and a responder answer, and somebody who asks them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.kit.http import CATALOG, SECRET, Http, Table, serving
from tests.kit.samples.town.market import (
    FindStalls,
    FindTurnover,
    GetStall,
    GetTurnover,
    Price,
    QuotePrice,
    StallRow,
    StallStatus,
    TurnoverRow,
)
from verbwire import Principal, Responder
from verbwire.declarations.table import RowFilter
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.http.access.peer_tokens import PeerTokens
from verbwire.http.base.limits import RequestLimits
from verbwire.http.forwarding.peers import ALONE, Peers
from verbwire.http.tables.queries import Answerable, FromRow, FromRows
from verbwire.http.tables.responders import FromResponder, ResponderCalls
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.queries.plan import plan_query
from verbwire.security.tokens import mint_token

INDEX = ("owner", "status", "opened_at", "fee", "visitors")
NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)


def own(principal: Principal) -> Mapping[str, Any]:
    return {} if "stalls:all" in principal.scopes else {"owner": principal.actor or None}


prices = Responder("town.prices")


@prices.answers
def quote(query: QuotePrice, principal: Principal) -> Price | None:
    if query.goods == "unknown":
        return None
    if query.goods == "broken":
        raise RuntimeError("a secret of the shop")
    if query.goods == "wrong":
        return GetStall(stall_id="x")  # type: ignore[return-value]  # what a bug may do
    if query.goods in ("half a penny", "a coin"):
        return Price(goods=query.goods, amount=Decimal("0.005" if query.goods == "half a penny" else "1E+1"))
    return Price(goods=f"{query.goods} for {principal.actor or 'nobody'}", amount=Decimal("1.20") * sum(query.pieces))


class Market:
    """The market's tables behind HTTP, and what somebody with these scopes may ask."""

    def __init__(self, http: Http, stalls: Table, turnover: Table) -> None:
        self.http, self.stalls, self.turnover = http, stalls, turnover

    def ask(
        self, path: str, actor: str = "ann", scopes: str = "stalls:read stalls:all", **headers: str
    ) -> httpx.Response:
        token = {"Authorization": f"Bearer {mint_token(SECRET, actor, scopes.split())}"} if actor else {}
        return self.http.nobody.get(path, headers={**token, **headers})


def stall(number: int) -> StallRow:
    return StallRow(
        stall_id=f"{number:02}",
        owner=("ann", "bob", None)[number % 3],
        status=StallStatus.CLOSED if number % 4 == 0 else StallStatus.OPEN,
        opened_at=NOON + timedelta(hours=number),
        fee=Decimal(number) / 4,
        visitors=2**60 if number == 7 else number,
        note="green tea" if number % 5 == 0 else "Café",
    )


@contextmanager
def open_market(
    folder: Path,
    peers: Peers = ALONE,
    tokens: PeerTokens | None = None,
    visible: RowFilter = own,
    topics: Collection[str] | None = None,
    limits: RequestLimits = RequestLimits(),
) -> Iterator[Market]:
    """The market, served until the block ends."""
    stalls = Table(folder, "town.stalls", StallRow, index=INDEX, search=["note"])
    turnover = Table(folder, "town.turnover", TurnoverRow)
    stalls.put(map(stall, range(24)))
    turnover.put(
        TurnoverRow(stall_id=each, minute=NOON + timedelta(minutes=minute), pence=minute)
        for each in ("a", "b")
        for minute in range(6)
    )
    served, windows = stalls.served(), turnover.served()

    def plan(query: type[Any], table: Any) -> Any:
        return plan_query(CATALOG.of(query), table.rows)

    loop = HandlerLoop()
    calls = ResponderCalls(prices, HandlerWatch(prices.name), loop)
    queries: list[Answerable] = [
        FromRow(plan(GetStall, served), served, visible),
        FromRows(plan(FindStalls, served), FindStalls, served, visible),
        FromRow(plan(GetTurnover, windows), windows),
        FromRows(plan(FindTurnover, windows), FindTurnover, windows),
        FromResponder(CATALOG.of(QuotePrice), CATALOG.of(Price), prices.handlers[QuotePrice], calls),
    ]
    tables = [stalls, turnover]
    with serving(tables, queries=queries, peers=peers, tokens=tokens, topics=topics, limits=limits) as http:
        yield Market(http, stalls, turnover)
