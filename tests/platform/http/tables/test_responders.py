"""Queries that something outside of Kafka answers: pages by its own cursor, limits, what it raises, what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.kit.cluster import eventually
from tests.kit.http import problem
from tests.kit.offers import Offers, open_offers

FIND = "FindOffers?words=tea"


@pytest.fixture(scope="module")
def offers() -> Iterator[Offers]:
    with open_offers() as opened:
        yield opened


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["offer_id"] for row in answer.json()["rows"]]


def following(answer: Any) -> str:
    return str(answer.json()["next"]).removeprefix("/queries/")


def test_a_responder_answers_a_list_page_by_page_by_its_own_cursor(offers: Offers) -> None:
    first = offers.ask(f"{FIND}&page_size=3")
    body = first.json()
    assert (body["query"], body["page"], body["page_size"], body["complete"]) == ("town.offers.FindOffers", 1, 3, True)
    second = offers.ask(following(first))
    third = offers.ask(following(second))
    assert [ids(each) for each in (first, second, third)] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert third.json()["next"] is None
    assert [each.cursor for each in offers.engine.asked[-3:]] == [None, "at 3", "at 6"]
    assert ids(offers.ask(FIND)) == ["0", "1", "2"]  # its contract's default
    assert offers.engine.thread == "handlers"


def test_a_responders_cursor_belongs_to_its_query_its_filters_and_whom_it_was_given_to(offers: Offers) -> None:
    path = following(offers.ask(f"{FIND}&most=5"))
    cursor = parse_qs(urlsplit(path).query)["cursor"][0]
    assert ids(offers.ask(f"{FIND}&most=5&cursor={cursor}&page_size=2")) == ["3", "4"]
    problem(offers.ask(f"{FIND}&most=6&cursor={cursor}"), 400, "bad_cursor")
    problem(offers.ask(f"FindOffers?words=coffee&most=5&cursor={cursor}"), 400, "bad_cursor")
    problem(offers.ask(path, actor="eve"), 400, "bad_cursor")
    problem(offers.ask(f"{FIND}&cursor=at+3"), 400, "bad_cursor")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("FindOffers", "bad_parameter"),
        ("FindOffers?words=", "bad_parameter"),
        (f"FindOffers?words={'x' * 31}", "bad_parameter"),
        (f"{FIND}&most=0", "bad_parameter"),
        (f"{FIND}&page_size=1001", "bad_page"),
        (f"{FIND}&page=2", "unknown_parameter"),  # by number it would be the first page again
        (f"{FIND}&nonsense=1", "unknown_parameter"),
    ],
)
def test_a_responder_is_not_called_for_a_query_beyond_its_contract(offers: Offers, query: str, code: str) -> None:
    before = len(offers.engine.asked)
    problem(offers.ask(query), 400, code)
    assert len(offers.engine.asked) == before
    problem(offers.ask(query, scopes="none"), 403, "forbidden")


def test_a_responder_says_itself_whether_its_list_is_complete(offers: Offers) -> None:
    demand = {"Verbwire-Freshness": "complete"}
    assert offers.ask("FindOffers?words=partly").json()["complete"] is False
    assert problem(offers.ask("FindOffers?words=partly", **demand), 503, "catching_up")
    assert offers.ask(FIND, **demand).json()["complete"] is True


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        ("down", 503, "source_unavailable"),
        ("odd", 400, "bad_parameter"),
        ("broken", 500, "broken"),
        ("late", 500, "broken"),
        ("ending", 500, "broken"),
        ("cancelling", 500, "broken"),
        ("other", 500, "broken"),
        ("too+many", 500, "broken"),
        ("far", 500, "broken"),
        ("huge", 400, "page_too_large"),
    ],
)
def test_a_responder_that_raises_or_returns_nonsense_is_a_problem_and_tells_no_secret(
    offers: Offers, words: str, status: int, code: str
) -> None:
    answer = offers.ask(f"FindOffers?words={words}")
    problem(answer, status, code)
    assert "secret" not in answer.text
    assert ids(offers.ask(FIND)) == ["0", "1", "2"]  # the loop lives


def test_a_responder_that_takes_too_long_is_cancelled_and_answered_for() -> None:
    with open_offers(seconds=0.2) as offers:
        assert "0.2 s" in problem(offers.ask("FindOffers?words=slow"), 503, "source_unavailable")["detail"]
        eventually(lambda: (offers.engine.cancelled, offers.engine.running) == (1, 0))
        problem(offers.ask("GetOffer?offer_id=slow"), 503, "source_unavailable")
        assert ids(offers.ask(FIND)) == ["0", "1", "2"]


def test_a_responder_runs_so_many_calls_at_once_as_it_says() -> None:
    with open_offers(concurrency=2) as offers, ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(offers.ask, "FindOffers?words=slow") for _ in range(5)]
        eventually(lambda: offers.engine.running == 2)
        assert offers.engine.loop is not None
        offers.engine.loop.call_soon_threadsafe(offers.engine.go_on.set)
        assert [each.result().status_code for each in answers] == [200] * 5
        assert offers.engine.most_running == 2


def test_a_responder_shows_nothing_that_its_principal_may_not_see_whatever_it_returns() -> None:
    with open_offers(only_own=True) as offers:
        assert ids(offers.ask(f"{FIND}&page_size=7")) == ["1", "3", "5"]
        assert ids(offers.ask(f"{FIND}&page_size=7", actor="bob")) == [f"{n}" for n in range(7)]
        assert offers.ask("GetOffer?offer_id=4", actor="bob").json()["offer_id"] == "4"
        hidden, absent = offers.ask("GetOffer?offer_id=4"), offers.ask("GetOffer?offer_id=none")
        assert problem(hidden, 404, "not_found") == problem(absent, 404, "not_found")
