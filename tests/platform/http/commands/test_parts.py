"""The parts of commands over HTTP that need no broker: waiting, ids, shares, links, outcomes."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.bank import CATALOG
from verbwire.http.base import limits
from verbwire.http.base.concurrency import ConcurrencyLimiter, ConcurrencyLimits
from verbwire.http.base.limits import RequestLimits
from verbwire.http.base.problem import HttpProblem
from verbwire.http.commands.idempotency import command_id
from verbwire.http.commands.outcome_links import OutcomeLinks
from verbwire.http.commands.outcome_responses import answer, document
from verbwire.http.commands.prefer import WaitPreference, patience
from verbwire.messages import Accepted, Expired, Failed, Outcome, Rejected
from verbwire.principal import Principal
from verbwire.security.tokens import OPERATOR
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.records.outcomes import EventPosition

PUT, SHAKE = CATALOG.find("PutCoins"), CATALOG.find("ShakeJar")
SECRET = "of the workers, and of nobody else"
TOKEN = OutcomeToken(
    command=PUT.name, partition=3, offset=2**40, timestamp=1_291_191_960_000, id="x" * 200, fingerprint=b"\x00" * 16
)
ANN, OPERATOR_OLGA = Principal("ann", frozenset()), Principal("olga", frozenset({OPERATOR}))


@pytest.mark.parametrize(
    ("prefer", "seconds", "applied"),
    [
        ([], limits.WAIT, ""),
        (["respond-async"], 0, "respond-async"),
        (["Respond-Async"], 0, "respond-async"),
        (["wait=2"], 2, "wait=2"),
        (["wait = 2"], 2, "wait=2"),
        (['wait="2"'], 2, "wait=2"),
        (["wait=0"], 0, "wait=0"),
        (["wait=3600"], 30, "wait=30"),
        (["respond-async, wait=10"], 10, "respond-async, wait=10"),
        (["wait=10", "respond-async"], 10, "respond-async, wait=10"),
        (["wait=1, wait=2"], 1, "wait=1"),
        (["return=minimal; wait=9, wait=1;x=y"], 1, "wait=1"),
        (["wait=soon"], limits.WAIT, ""),
        (["wait=-1"], limits.WAIT, ""),
        (["wait=٣"], limits.WAIT, ""),
        (["wait"], limits.WAIT, ""),
        (["respond-async=no"], limits.WAIT, ""),
        ([",;=,"], limits.WAIT, ""),
    ],
)
def test_prefer_wait_says_how_long_a_client_wants_to_wait(prefer: list[str], seconds: float, applied: str) -> None:
    assert patience([each.encode() for each in prefer]) == WaitPreference(seconds, applied)


@given(st.lists(st.binary()))
def test_prefer_headers_of_any_bytes_break_nothing(prefer: list[bytes]) -> None:
    assert 0 <= patience(prefer).seconds <= limits.MAX_WAIT


def test_an_idempotency_key_means_another_id_for_every_actor_and_command() -> None:
    ids = {
        command_id("ann", PUT, "1"),
        command_id("ann", PUT, "2"),
        command_id("ann", SHAKE, "1"),
        command_id("bob", PUT, "1"),
        command_id("ann\n", PUT, "1"),
    }
    assert len(ids) == 5
    assert command_id("ann", PUT, "1") == command_id("ann", PUT, '"1"')
    assert command_id("ann", PUT, None) is None


@pytest.mark.parametrize("key", ["", '""', " ", "a b", 'a"b', "a\\b", "ü", "a\x00", "x" * 129, "a\n"])
def test_an_idempotency_key_that_cannot_be_one_is_refused(key: str) -> None:
    with pytest.raises(HttpProblem) as caught:
        command_id("ann", PUT, key)
    assert (caught.value.status_code, caught.value.code) == (400, "bad_idempotency_key")


def test_every_idempotency_key_gives_an_id_that_a_message_may_have() -> None:
    assert len(command_id("a" * 255, PUT, "~" * 128) or "") <= 200


def test_concurrency_limits_leave_room_for_other_principals() -> None:
    limiter = ConcurrencyLimiter("places", total=5, each=2)
    with ExitStack() as held:
        for actor in ("ann", "ann", "bob", "bob"):
            held.enter_context(limiter.taken(actor))
        for actor in ("ann", "bob"):
            with pytest.raises(HttpProblem) as caught, limiter.taken(actor):
                pass
            assert caught.value.status_code == 429
            assert caught.value.headers == {"Retry-After": "1"}
        with limiter.taken("cleo"), pytest.raises(HttpProblem), limiter.taken("dan"):
            pass
        with limiter.taken("dan"):
            pass
    with limiter.taken("ann"), limiter.taken("ann"):
        pass


def filled(limiter: ConcurrencyLimiter, actor: str) -> int:
    """Take for somebody as much as they get."""
    for taken in range(1000):
        try:
            limiter.take(actor)
        except HttpProblem:
            return taken
    raise AssertionError("there is no end to it")


def test_concurrency_limits_shrink_as_the_worker_fills() -> None:
    """Of 400 one may have 200; two that ask at the same time have a third each, and leave one."""
    alone = ConcurrencyLimiter("places", 400, 200)
    assert [filled(alone, f"the {number}th") for number in range(5)] == [200, 100, 50, 25, 13]
    together = ConcurrencyLimiter("places", 400, 200)
    two = {"ann": 0, "bob": 0}
    for actor in ["ann", "bob"] * 200:
        with suppress(HttpProblem):
            together.take(actor)
            two[actor] += 1
    assert two == {"ann": 134, "bob": 133}
    for actor, held in two.items():
        together.give(actor, held)
    assert filled(together, "ann") == 200, "all of it has been given back"


def test_commands_that_wait_keep_nobody_from_asking() -> None:
    places = ConcurrencyLimits(RequestLimits())
    every = {
        places.of("/commands/Buy", False),
        places.of("/queries/GetCart", False),
        places.of("/tables/carts/1", True),
    }
    assert len(every) == 3
    assert places.of("/tables", False) is places.of("/queries/GetCart", False)


def link(links: OutcomeLinks, actor: str = "ann") -> str:
    return links.path(TOKEN.encode(), actor).removeprefix("/outcomes/")


def test_an_outcome_link_is_good_for_its_sender_and_for_operators() -> None:
    links = OutcomeLinks(SECRET)
    assert OutcomeLinks(SECRET).read(link(links), ANN) == TOKEN
    assert links.read(link(links, "Ünal; a.b"), OPERATOR_OLGA) == TOKEN
    assert len(links.path(TOKEN.encode(), "\U0001f375" * 255)) < limits.REQUEST_LINE


def test_an_outcome_link_of_anybody_else_is_answered_alike() -> None:
    links = OutcomeLinks(SECRET)
    good = link(links)
    token, actor, signature = good.split(".")
    other = OutcomeToken(**{**{f: getattr(TOKEN, f) for f in TOKEN.__struct_fields__}, "offset": 1}).encode()
    bad = [
        "",
        "..",
        token,
        f"{token}.{actor}",
        f"{token}.{actor}.",
        f"{token}.{actor}.{signature[:-2]}",
        f"{other}.{actor}.{signature}",
        f"{token}.Ym9i.{signature}",
        f"{good}.",
        f"ü.{actor}.{signature}",
        good.replace(".", "%2E"),
        "x" * 10_000,
        link(OutcomeLinks("another secret")),
        link(OutcomeLinks(None)),
        link(links, "bob"),
        links.path("no token", "ann").removeprefix("/outcomes/"),
    ]
    answers = set()
    for text in bad:
        with pytest.raises(HttpProblem) as caught:
            links.read(text, ANN)
        answers.add((caught.value.status_code, caught.value.body()))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 404


@pytest.mark.parametrize(
    ("outcome", "status", "more"),
    [
        (Accepted(), 200, {"reply": {"a": 1}}),
        (Rejected("jar_full", "no room", {"room": "0"}), 409, {"code": "jar_full", "details": {"room": "0"}}),
        (Rejected("forbidden"), 403, {"code": "forbidden"}),
        (Rejected("id_reused"), 422, {"code": "id_reused"}),
        (Rejected("out_of_bounds", "", {"field": "a"}), 400, {"code": "out_of_bounds", "details": {"field": "a"}}),
        (Failed(reason="jars.py:12: secret"), 500, {"code": "failed"}),
        (Expired(), 504, {"code": "expired"}),
    ],
)
def test_an_outcome_has_its_status_and_says_what_it_is(outcome: Outcome, status: int, more: dict[str, object]) -> None:
    events = [EventPosition(topic="b", partition=1, offset=7), EventPosition(topic="b", partition=1, offset=8)]
    response = answer("id-1", outcome, events, b'{"a":1}')
    body = json.loads(bytes(response.body))
    assert response.status_code == status
    assert response.headers["verbwire-position"] == "b=1:9"
    assert response.headers["cache-control"] == "no-store"
    assert response.media_type == ("application/json" if status == 200 else "application/problem+json")
    assert body.items() >= ({"id": "id-1", "outcome": type(outcome).__name__.lower()} | more).items()
    told = document("id-1", outcome, b'{"a":1}')
    assert (told["id"], told["outcome"]) == ("id-1", type(outcome).__name__.lower())
    assert "secret" not in f"{body}{told}"
