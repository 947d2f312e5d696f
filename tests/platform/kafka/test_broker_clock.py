"""The broker's clock, from what it has stamped."""

from __future__ import annotations

import pytest

from verbwire.kafka.broker_clock import BrokerClock


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """This machine's clock, in seconds, set by the test."""
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_the_broker_clock_is_this_machines_until_something_is_observed(here: list[float]) -> None:
    assert BrokerClock().now_ms() == 1_000_000


@pytest.mark.parametrize("ahead", [-90_000, 90_000])
def test_the_broker_clock_follows_a_broker_whose_clock_is_another(here: list[float], ahead: int) -> None:
    broker = BrokerClock()
    for late in (30, 5, 400):  # how long each acknowledgement took
        broker.observe(1_000_000 + ahead - late)
    assert broker.now_ms() == 1_000_000 + ahead - 5
    here[0] += 2
    assert broker.now_ms() == 1_002_000 + ahead - 5


def test_the_broker_clock_forgets_how_it_stood_before_it_was_set_back(here: list[float]) -> None:
    broker = BrokerClock()
    broker.observe(1_060_000)
    for _ in range(8):
        broker.observe(1_000_000)
    assert broker.now_ms() == 1_000_000


def test_the_broker_clock_is_not_moved_by_who_sets_this_machines_clock(
    here: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = BrokerClock()
    assert not broker.is_known
    broker.observe(1_000_000)
    assert broker.is_known
    monkeypatch.setattr("time.time", lambda: here[0] + 3600)
    assert broker.now_ms() == 1_000_000
