"""The proof that the proof of time can fail: each bug, planted in the scheduler, is found; without it all is exact."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.planted import BUGS
from tests.kit.samples.tower.bells import MuteBell, RingBell
from tests.kit.tower import CATALOG, receiver, ringing
from verbwire import Accepted, Schedule
from verbwire.testing import InMemory

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
HOURLY = "tower.bells.hourly"
HOURS = 30
MINUTE = timedelta(minutes=1)


def faults(seed: int) -> set[str]:
    """Send bells for later, some twice, and cancel some, with a schedule beside them; return what is wrong then."""
    chance, wanted, cancelled = random.Random(seed), dict[str, int](), set[str]()  # noqa: S311 (no secret)
    hourly = Schedule(HOURLY, cron="0 * * * *", missed="all", sends=lambda due: MuteBell(bell_id=f"{due:%d %H}"))
    with InMemory(
        *(receiver(), hourly), catalog=CATALOG, actor="ann", scopes=["bells:ring"], partitions=2, now=START
    ) as tower:
        minute = 0
        while minute < HOURS * 60:
            name = f"b{len(wanted)}"
            wanted[name] = minute + chance.randrange(1, 300)
            for _ in range(chance.choice((1, 1, 2))):
                tower.send(ringing("a", name), at=START + wanted[name] * MINUTE, id=name)
            other = chance.choice([*wanted])
            if chance.random() < 0.3 and tower.cancel(RingBell, "a", other) == Accepted():
                cancelled.add(other)
            step = chance.randrange(1, 90)
            minute += step
            with tower.paused(*(["tower.bells.scheduler"] if chance.random() < 0.2 else [])):
                tower.advance(step * MINUTE)
        tower.advance((HOURS + 6) * 60 * MINUTE - minute * MINUTE)
        rung = Counter(each.note for each in tower.commands(RingBell))
        muted = Counter(each.bell_id for each in tower.commands(MuteBell))
        fired = {each.id for each in tower.outcomes(MuteBell)}
    dues = [START + timedelta(hours=hour) for hour in range(1, HOURS + 7)]
    found = {"twice"} if max([*rung.values(), *muted.values()], default=0) > 1 else set[str]()
    found |= {"lost or cancelled"} if {*rung} != wanted.keys() - cancelled else set()
    found |= {"firings"} if {*muted} != {f"{due:%d %H}" for due in dues} else set()
    found |= {"ids"} if fired != {f"{HOURLY}@{due:%Y-%m-%dT%H:%M:%SZ}" for due in dues} else set()
    return found


def test_time_at_random_is_exact() -> None:
    assert [faults(seed) for seed in range(2)] == [set()] * 2


@pytest.mark.parametrize(("bug", "kind"), [("fires-twice", "twice"), ("firing-ids", "ids")])
def test_time_with_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, bug: str, kind: str) -> None:
    BUGS[bug](monkeypatch.setattr)
    assert kind in faults(0)
