"""How fast one principal may go: a burst, then so many a second, and nobody else is the slower for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cluster import eventually
from tests.kit.http import SECRET, Http, ShelfRow, Table, problem, serving
from tests.kit.http import SHELVES as NAME
from tests.platform.http.commands.test_endpoint_refused import post, silent_kafka
from verbwire.errors import ConfigurationError
from verbwire.http.access.rates import Rate, Rates
from verbwire.security.tokens import OPERATOR, mint_token

TAKE = "/commands/bank.jars.TakeCoins"


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Http]:
    with serving([Table(tmp_path, NAME, ShelfRow)], rates=Rates(commands=1, queries=1, burst_seconds=3.0)) as running:
        yield running


def status(http: Http, actor: str) -> int:
    headers = {"Authorization": f"Bearer {mint_token(SECRET, actor, [OPERATOR])}"}
    return http.nobody.get("/tables", headers=headers).status_code


def test_a_rate_that_is_exceeded_is_a_429_for_that_principal_alone(http: Http) -> None:
    assert [status(http, "eve") for _ in range(3)] == [200] * 3
    eventually(lambda: status(http, "eve") == 429)
    assert http.operator.get("/tables").status_code == 200, "somebody else"
    eventually(lambda: status(http, "eve") == 200)
    assert all(http.nobody.get("/health/live").status_code == 200 for _ in range(20))


def test_a_refusal_says_how_long_to_wait_and_openapi_says_how_much_there_is(http: Http) -> None:
    answer = next(a for a in (http.operator.get("/tables") for _ in range(500)) if a.status_code == 429)
    assert "1 queries a second" in problem(answer, 429, "too_many")["detail"]
    assert answer.headers["retry-after"] == "1"
    assert "1 commands and 5 queries a second" in Rates(commands=1, queries=5).description()
    assert Rates().description() == ""


def test_commands_that_are_refused_count_too() -> None:
    """Else whoever lacks the scope has their token checked as often as they like."""
    with silent_kafka(rates=Rates(commands=1, burst_seconds=3.0)) as http:
        assert [post(http, "eve", TAKE).status_code for _ in range(3)] == [403] * 3
        eventually(lambda: post(http, "eve", TAKE).status_code == 429)


def test_principals_who_have_stopped_asking_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    rate = Rate("queries", 10)
    for number in range(100_000):
        now[0] += 0.001
        rate.take(f"actor {number}")
    assert len(rate._full) < 3000


def test_a_rate_of_none_is_no_limit_and_less_is_refused() -> None:
    rate = Rate("commands", 0)
    for _ in range(10_000):
        rate.take("eve")
    with pytest.raises(ConfigurationError, match="VERBWIRE_HTTP_COMMAND_RATE"):
        Rates(commands=-1)
