"""The consumers that read changelogs: one for all groups of a process, more only while several restore at length."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from verbwire.engine.restore.shared_consumers import SharedConsumers, consumers_of
from verbwire.errors import UnavailableError

NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"}  # nothing is asked of a broker here


@pytest.fixture
def consumers() -> Iterator[SharedConsumers]:
    shared = consumers_of(NOWHERE)
    yield shared
    shared.leave()


def test_the_groups_of_a_process_restore_with_one_consumer_in_turn(consumers: SharedConsumers) -> None:
    second = consumers_of(dict(NOWHERE))
    with consumers.lend() as first:
        pass
    with second.lend() as again:
        assert again is first
    second.leave()
    with consumers.lend() as still:
        assert still is first, "its other user has not left"


def test_a_restore_waits_a_moment_for_the_consumer_of_another_one(
    consumers: SharedConsumers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verbwire.engine.restore.shared_consumers.PATIENCE", 10.0)

    def restore() -> object:
        with consumers.lend() as consumer:
            return consumer

    with ThreadPoolExecutor(1) as pool:
        with consumers.lend() as first:
            waiting = pool.submit(restore)
        assert waiting.result(5) is first


def test_a_restore_at_length_keeps_no_other_one_waiting_and_one_consumer_stays(
    consumers: SharedConsumers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verbwire.engine.restore.shared_consumers.PATIENCE", 0.01)
    with consumers.lend() as long, consumers.lend() as short:
        assert short is not long
    with consumers.lend() as kept:
        assert kept is short


def test_a_consumer_that_met_an_outage_is_not_lent_again(consumers: SharedConsumers) -> None:
    with pytest.raises(UnavailableError), consumers.lend() as first:
        raise UnavailableError("no broker")
    with consumers.lend() as second:
        assert second is not first
