"""The town's offers: queries that something outside of Kafka answers, by asynchronous and by plain functions."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2 as httpx

from tests.kit.http import CATALOG, SECRET, Http, serving
from tests.kit.samples.town.offers import FindOffers, GetOffer, Offer
from verbwire import PageRequest, Principal, Resource, Responder, Rows, resource
from verbwire.errors import BadQueryError, UnavailableError
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.project import Project
from verbwire.security.tokens import mint_token
from verbwire.settings import Settings
from verbwire.worker.query_handlers import query_handlers


@dataclass
class Engine:
    """A search engine that is asked by the words of a query; the words say what it does."""

    loop: asyncio.AbstractEventLoop | None = None
    asked: list[PageRequest] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    cancelled: int = 0
    thread: str = ""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def find(self, words: str, page: PageRequest, who: str) -> Rows[Offer]:
        self.asked.append(page)
        self.thread = threading.current_thread().name
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if words == "slow":
                await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return self._found(words, page, who)

    def _found(self, words: str, page: PageRequest, who: str) -> Rows[Offer]:
        if words == "down":
            raise UnavailableError("the search engine does not answer")
        if words == "odd":
            raise BadQueryError("words: nobody knows these")
        if words == "broken":
            raise RuntimeError("a secret of the shop")
        if words == "late":
            raise TimeoutError
        if words == "ending":
            raise SystemExit(3)
        if words == "cancelling":
            raise asyncio.CancelledError
        start = int((page.cursor or "at 0").removeprefix("at "))
        rows = [Offer(offer_id=f"{n}", seller=who if n % 2 else "bob", pence=n) for n in range(7)]
        size = page.size + 1 if words == "too many" else page.size
        wanted = [_changed(words, each) for each in rows[start : start + size]]
        following = f"at {start + size}" if start + size < len(rows) else None
        return Rows(wanted, complete=words != "partly", next="x" * 5000 if words == "far" else following)


def _changed(words: str, offer: Offer) -> Offer:
    if words == "other":
        return GetOffer(offer_id=offer.offer_id)  # type: ignore[return-value] # what a bug may do
    return offer if words != "huge" else Offer(offer_id=offer.offer_id * 900_000, seller="ann", pence=1)


def responder(engine: Resource[Engine], concurrency: int = 64, seconds: float = 30) -> Responder:
    """The offers, as the engine has them; one of them by a plain function."""
    offers = Responder("town.offers", concurrency=concurrency, timeout=timedelta(seconds=seconds))

    @offers.answers
    async def find(query: FindOffers, page: PageRequest, principal: Principal) -> Rows[Offer]:
        return await engine.value.find(query.words, page, principal.actor or "nobody")

    @offers.answers
    def get(query: GetOffer) -> Offer | None:
        if query.offer_id == "slow":
            time.sleep(0.3)
        return Offer(offer_id=query.offer_id, seller="bob", pence=1) if query.offer_id != "none" else None

    return offers


def search_engine() -> tuple[Resource[Engine], list[str]]:
    """A search engine to be opened, and the list of what happens to it."""
    happened: list[str] = []

    @resource
    async def engine() -> AsyncIterator[Engine]:
        happened.append("opened")
        yield Engine(asyncio.get_running_loop())
        happened.append("closed")

    return engine, happened


class Offers:
    """The offers behind HTTP."""

    def __init__(self, http: Http, engine: Engine) -> None:
        self.http, self.engine = http, engine

    def ask(self, path: str, actor: str = "ann", scopes: str = "offers:read", **headers: str) -> httpx.Response:
        token = {"Authorization": f"Bearer {mint_token(SECRET, actor, scopes.split())}"}
        return self.http.nobody.get(f"/queries/{path}", headers={**token, **headers})


@contextmanager
def open_offers(only_own: bool = False, **limits: Any) -> Iterator[Offers]:
    """The offers, served until the block ends."""
    engine, _ = search_engine()
    found = responder(engine, **limits)
    if only_own:
        found.visible(own)
    loop = HandlerLoop()
    loop.open([engine])
    try:
        project = Project(Settings(), CATALOG, responders=(found,))
        with serving(queries=query_handlers(project, [], HandlerWatch, loop)) as http:
            yield Offers(http, engine.value)
    finally:
        loop.close()


def own(principal: Principal) -> Mapping[str, Any]:
    return {"seller": principal.actor}
