"""What the console asks: for whom, how errors are told, and that many who look cost one look."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import msgspec
import pytest

from tests.kit.http import SECRET, Http, problem, serving
from verbwire.errors import ConfigurationError, UnavailableError
from verbwire.http.console.api import Act, ConsoleApi, Look
from verbwire.principal import Principal
from verbwire.security.tokens import METRICS, mint_token

ABOUT = {"project": "town", "worker": "w1", "version": "1"}
ANN = {"Authorization": f"Bearer {mint_token(SECRET, 'ann', ['stalls:read'])}"}
SCRAPER = {"Authorization": f"Bearer {mint_token(SECRET, 'prometheus', [METRICS])}"}


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    places: list[str]
    limit: int = 1


class Looked:
    """Looks that say what they were asked."""

    def __init__(self) -> None:
        self.looks = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def count(self) -> dict[str, Any]:
        self.looks += 1
        assert self.go_on.wait(10)
        return {"looks": self.looks, "wide": 2**63 - 1}

    def named(self, name: str, key: str) -> list[str]:
        return [name, key]

    def away(self) -> None:
        raise UnavailableError("the broker cannot be reached")

    def missing(self) -> None:
        raise ConfigurationError("no group has the name x")

    def do(self, wish: Wish, who: Principal, name: str) -> dict[str, Any]:
        return {"done": wish.places, "by": who.actor, "name": name}


@contextmanager
def opened() -> Iterator[tuple[Http, Looked]]:
    looked = Looked()
    looks: dict[str, Look] = {
        "count": looked.count,
        "of/{name}/{key}": looked.named,
        "away": looked.away,
        "missing": looked.missing,
    }
    api = ConsoleApi(ABOUT, {"messages": []}, looks, {"do/{name}": Act(Wish, looked.do)})
    with serving(parts=[api]) as http:
        yield http, looked


@pytest.fixture(scope="module")
def console() -> Iterator[tuple[Http, Looked]]:
    with opened() as both:
        yield both


def test_the_consoles_session_says_who_is_signed_in(console: tuple[Http, Looked]) -> None:
    http, _ = console
    told = http.nobody.get("/console/api/session", headers=ANN).json()
    assert told == {**ABOUT, "actor": "ann", "scopes": ["stalls:read"]}
    assert http.nobody.get("/console/api/catalog", headers=ANN).json() == {"messages": []}


def test_the_console_shows_operators_alone_what_runs(console: tuple[Http, Looked]) -> None:
    http, looked = console
    for path in ("count", "of/a/b", "nothing"):
        problem(http.nobody.get(f"/console/api/{path}"), 401, "unauthenticated")
        problem(http.nobody.get(f"/console/api/{path}", headers=ANN), 403, "forbidden")
    refused = http.nobody.post("/console/api/do/x", headers=ANN, json={"places": []})
    problem(refused, 403, "forbidden")
    for path in ("session", "catalog", "count"):
        problem(http.nobody.get(f"/console/api/{path}", headers=SCRAPER), 403, "forbidden")
    assert looked.looks == 0


def test_the_consoles_looks_get_the_parts_of_their_path(console: tuple[Http, Looked]) -> None:
    http, _ = console
    assert http.operator.get("/console/api/of/a%2Fb/%C3%A4").json() == ["a/b", "ä"]
    assert http.operator.get("/console/api/count").json()["wide"] == str(2**63 - 1), "JavaScript would round it"
    problem(http.operator.get("/console/api/of/a/%FF"), 400, "bad_key")
    problem(http.operator.get("/console/api/count?x=1"), 400, "unknown_parameter")


def test_the_consoles_errors_are_problems_that_say_what_to_do(console: tuple[Http, Looked]) -> None:
    http, _ = console
    away = http.operator.get("/console/api/away")
    assert problem(away, 503, "unanswered")["detail"] == "the broker cannot be reached"
    assert away.headers["retry-after"] == "2"
    assert problem(http.operator.get("/console/api/missing"), 404, "nothing_there")["detail"].startswith("no group")


def test_the_consoles_acts_are_told_who_does_them(console: tuple[Http, Looked]) -> None:
    http, _ = console
    done = http.operator.post("/console/api/do/x", json={"places": ["0/1"]})
    assert done.json() == {"done": ["0/1"], "by": "olga", "name": "x"}
    problem(http.operator.get("/console/api/do/x"), 405, "method_not_allowed")
    assert http.operator.post("/console/api/do/x", json={"places": [], "limit": 5.0}).status_code == 200, (
        "as JSON Schema"
    )
    for body in ({}, {"places": [1]}, {"places": [], "more": 1}, {"places": [], "limit": 5.5}):
        problem(http.operator.post("/console/api/do/x", json=body), 400, "bad_body")
    twice, as_json = b'{"places": ["0/1"], "places": []}', {"Content-Type": "application/json"}
    problem(http.operator.post("/console/api/do/x", content=twice, headers=as_json), 400, "repeated_name")
    problem(http.operator.post("/console/api/do/x", content=b"{}"), 415, "unsupported_media_type")


def test_many_who_look_at_the_console_cost_one_look() -> None:
    with opened() as (http, looked):
        looked.go_on.clear()

        def look() -> httpx.Response:
            return http.operator.get("/console/api/count")

        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(look) for _ in range(8)]
            looked.go_on.set()
            assert {each.result().json()["looks"] for each in answers} == {1}
        assert looked.looks == 1, "and those who come a moment later are told the same"


def test_what_the_console_does_is_seen_at_the_next_look() -> None:
    with opened() as (http, _):
        assert http.operator.get("/console/api/count").json()["looks"] == 1
        assert http.operator.get("/console/api/count").json()["looks"] == 1
        http.operator.post("/console/api/do/x", json={"places": []})
        assert http.operator.get("/console/api/count").json()["looks"] == 2
