"""What is done to a running shop: kills, pauses, joins and leaves, always under load, always to the end."""

from __future__ import annotations

import random
import signal
import time

from tests.faults.harness import AGGREGATE, INPUTS, START_SECONDS, TABLE, Shop
from tests.faults.load import Load
from tests.kit.cluster import eventually
from verbwire.engine.transactions.failpoints import POINTS

RESTART_SECONDS = 1.0  # what a supervisor takes to start a worker again
ROLES = {"decider": AGGREGATE, "projector": TABLE}


def crash_at_every_point(shop: Shop, load: Load) -> None:
    """Let the aggregate's and the table's worker die at each named point, at their second transaction, in turn."""
    to_come = {name: [*POINTS, ""] for name in ROLES}
    started: set[str] = set()
    with load.steady(40):
        while any(to_come.values()):
            for name, points in to_come.items():
                if points and (name not in started or shop.workers[name].ended() is not None):
                    if name in started:
                        shop.wait_for_death(name)
                    started.add(name)
                    point = points.pop(0)
                    crash = {"VERBWIRE_CRASH_POINT": f"{point}:2"} if point else {}
                    shop.start(name, ROLES[name], leave=not point, environment=crash)
            assert load.left, "the load was over before every point was reached: " + repr(to_come)
            time.sleep(0.02)


def all_shared(shop: Shop, *names: str, seconds: float = 2 * START_SECONDS) -> None:
    """Wait until exactly these workers own all partitions of both groups."""

    def shared() -> bool:
        shop.none_has_given_up()
        for group in INPUTS:
            owners = {name: parts for name, parts in shop.owners(group).items() if parts}
            if set(owners) != set(names) or sum(map(len, owners.values())) != shop.partitions:
                return False
        return True

    eventually(shared, seconds, every=0.1)
    shop.note("shared", aggregate=str(shop.owners(AGGREGATE)), table=str(shop.owners(TABLE)))


def kill_at_random(shop: Shop, load: Load, rnd: random.Random, times: int, burst: int) -> list[tuple[float, str]]:
    """Kill one of the workers at random moments, each time in a burst of commands; return when and whom."""
    kills = []
    for _ in range(times):
        name = rnd.choice(sorted(shop.workers))
        load.send(burst)
        time.sleep(rnd.uniform(0.0, 1.0))  # the moment is the experiment: nothing is waited for
        kills.append((shop.kill(name), name))
        time.sleep(RESTART_SECONDS)
        shop.start_again(name)
        progress(shop)
    return kills


def progress(shop: Shop) -> None:
    """Wait until both groups have dealt with what is there now."""
    for group in INPUTS:
        shop.drained(group)


def pause_over_the_session(shop: Shop, load: Load, rnd: random.Random, name: str, other: str) -> None:
    """SIGSTOP one worker until the other has all partitions and has gone on with them; then wake it."""
    load.send(800)
    time.sleep(rnd.uniform(0.0, 0.3))
    shop.workers[name].signal(signal.SIGSTOP)
    shop.note("stop", worker=name)
    all_shared(shop, other)
    load.send(400)
    progress(shop)
    shop.workers[name].signal(signal.SIGCONT)
    shop.note("cont", worker=name)
    all_shared(shop, name, other)


def join_and_leave(shop: Shop, guest: str, host: str) -> None:
    """Let a worker join, take its half, and leave for good."""
    shop.start(guest, leave=True)
    all_shared(shop, guest, host)
    shop.stop(guest)
    all_shared(shop, host)
