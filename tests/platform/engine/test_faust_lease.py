"""A lease ends by itself, counted from when the group was asked, not from when its answer was read."""

from __future__ import annotations

import pytest

from verbwire.engine.faust import lease
from verbwire.engine.faust.consumer import SETTINGS
from verbwire.engine.faust.lease import LEASE_SECONDS, Lease


def test_a_lease_holds_from_the_first_answer_until_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(lease, "now", lambda: clock)
    held = Lease()
    assert not held.holds()
    held.renew(sent=98.0)
    assert held.holds()
    clock = 98.0 + LEASE_SECONDS - 0.1
    assert held.holds()
    clock = 98.0 + LEASE_SECONDS
    assert not held.holds()
    held.renew(sent=98.5)
    assert held.holds()


def test_a_lease_ends_well_before_the_session_and_outlives_a_few_heartbeats() -> None:
    session, heartbeat = (
        float(str(SETTINGS["broker_session_timeout"])),
        float(str(SETTINGS["broker_heartbeat_interval"])),
    )
    assert 3 * heartbeat < LEASE_SECONDS <= session - 2.0
