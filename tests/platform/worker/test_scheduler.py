"""A scheduler in workers of their own: commands later, cancelled, and schedules, on a broker."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.kit.cluster import Cluster, eventually
from tests.kit.samples.tower.bells import OilBell, RingBell
from tests.kit.tower import EVERY_SECOND, SCOPES, Tower, ringing, tower
from tests.kit.worker import SECRET, Running
from verbwire import Accepted, Rejected
from verbwire.client import Client
from verbwire.engine.transactions.failpoints import POINTS
from verbwire.security.tokens import OPERATOR, mint_token
from verbwire.wire.partitioner import partition_of

pytestmark = pytest.mark.kafka

SOON = timedelta(seconds=1)


@pytest.fixture
def project(cluster: Cluster, tmp_path: Path) -> Iterator[Tower]:
    with tower(tmp_path, cluster) as opened:
        yield opened


def ids_of(project: Tower) -> list[str]:
    return [dict(each.headers() or ())["ce_id"].decode() for each in project.delivered()]


def test_commands_for_later_are_delivered_in_time_or_cancelled_and_grants_hold(project: Tower) -> None:
    worker = project.start("consumers").ready()
    with project.client() as client:
        client.send(ringing("a", "2"), after=SOON, id="second")
        client.send(ringing("a", "1"), after=SOON / 2, id="first")
        client.send(OilBell(bell_id="b", note="3"), after=SOON, id="third")
        client.send(ringing("c", "4"), after=timedelta(hours=1), id="fourth")
        assert client.cancel(RingBell, "c", "fourth").result(20) == Accepted()
        worker.until(lambda: len(ids_of(project)) == 3)
        too_late = client.cancel(RingBell, "a", "first").result(20)
        assert isinstance(too_late, Rejected)
        assert too_late.code == "too_late"
    found = {dict(each.headers() or ())["ce_id"].decode(): each for each in project.delivered()}
    assert found["first"].offset() < found["second"].offset()
    assert worker.until(lambda: worker.get("/tables/tower.bells.aggregate")[1]["rows"] and True)
    status, page = worker.get("/tables/tower.bells.scheduler?status=CANCELLED")
    assert status == 200, page
    assert [each["id"] for each in page["rows"]] == ["fourth"]
    status, problem = worker.get("/tables/tower.bells.scheduler/fourth")  # it is there, but not where its id would lead
    assert (status, problem["code"]) == (400, "bad_key")
    assert "verbwire scheduled show" in problem["detail"]


def over_http(worker: Running, method: str, path: str, body: bytes | None = None, **headers: str) -> httpx.Response:
    token = mint_token(SECRET, "bob", SCOPES)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    return httpx.request(method, worker.url() + path, content=body, headers=headers, timeout=30)


def test_a_command_for_later_over_http_is_taken_cancelled_or_too_late(project: Tower) -> None:
    worker = project.start("consumers").ready()
    body = b'{"bell_id": "a/b", "note": "1"}'
    ring, after = "/commands/tower.bells.RingBell", {"Verbwire-After": "3600"}
    sent = over_http(worker, "POST", ring, body, **after)
    assert sent.status_code == 202, sent.text
    assert sent.json()["outcome"] == "scheduled"
    for _ in range(2):
        cancelled = over_http(worker, "DELETE", sent.headers["Location"])
        assert (cancelled.status_code, cancelled.json()["outcome"]) == (200, "cancelled"), cancelled.text
    sent = over_http(worker, "POST", ring, body, **{"Verbwire-At": "2026-01-01T00:00:00Z"})
    assert sent.status_code == 202, sent.text
    worker.until(lambda: ids_of(project) == [sent.json()["id"]])
    late = over_http(worker, "DELETE", sent.headers["Location"])
    assert (late.status_code, late.json()["code"]) == (409, "too_late")
    unknown = over_http(worker, "DELETE", f"{ring}/scheduled/other?key=a")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_scheduled")
    for wrong in ({"Verbwire-After": "soon"}, {"Verbwire-At": "2026-01-01"}, {"Verbwire-After": "99999999"}):
        assert over_http(worker, "POST", ring, body, **wrong).json()["code"] == "bad_time"
    muted = over_http(worker, "POST", "/commands/tower.bells.MuteBell", b'{"bell_id": "a"}', **after)
    assert (muted.status_code, muted.json()["code"]) == (400, "not_schedulable")


def test_a_schedule_fires_each_time_once_in_a_worker(cluster: Cluster, tmp_path: Path) -> None:
    with tower(tmp_path, cluster, EVERY_SECOND) as project:
        worker = project.start("consumers").ready()
        worker.until(lambda: len(ids_of(project)) >= 3)
        found = ids_of(project)
    times = [datetime.fromisoformat(each.rpartition("@")[2]) for each in found]
    assert sorted(times) == [min(times) + number * timedelta(seconds=1) for number in range(len(times))]


# A command lies in the partition of its key, whatever its id is.
ELSEWHERE = next(
    id for id in map("in-{}".format, range(9, 99)) if partition_of(id.encode(), 2) != partition_of(b"a", 2)
)


@pytest.mark.chaos
def test_what_is_scheduled_is_listed_shown_and_cancelled_by_the_command_line(cluster: Cluster, tmp_path: Path) -> None:
    with tower(tmp_path, cluster, EVERY_SECOND.replace("* * * * * *", "0 6 * * MON")) as project:
        worker = project.start("consumers").ready()
        with project.client() as client:
            for number in (2, 1):
                client.send(ringing("a", f"{number}"), after=timedelta(hours=number), id=f"in-{number}")
            client.send(ringing("a", "elsewhere"), after=timedelta(hours=3), id=ELSEWHERE)
        worker.until(lambda: len(worker.get("/tables/tower.bells.scheduler?status=PENDING")[1]["rows"]) == 3)
        assert f"{ELSEWHERE}: pending" in project.run("scheduled", "show", ELSEWHERE).stdout
        for _ in range(2):  # the second time there is nothing to do
            assert project.run("scheduled", "cancel", ELSEWHERE).stdout == f"cancelled: {ELSEWHERE}\n"
        listed = json.loads(project.run("scheduled", "list", "--json").stdout)
        assert [(each["id"], each["key"], each["actor"]) for each in listed] == [
            ("in-1", "a", "ann"),
            ("in-2", "a", "ann"),
        ]
        assert project.run("scheduled", "cancel", "in-1").stdout == "cancelled: in-1\n"
        assert "in-1: cancelled" in project.run("scheduled", "show", "in-1").stdout
        assert "1 pending" in project.run("scheduled", "list", "bells").stdout
        (schedule,) = json.loads(project.run("schedules", "--json").stdout)
        assert (schedule["name"], schedule["cron"], schedule["last"]) == ("tower.bells.seconds", "0 6 * * MON", None)
        assert datetime.fromtimestamp(schedule["due"] / 1000, UTC).weekday() == 0
        assert project.run("scheduled", "show", "other").returncode != 0
        found = operated(worker, "POST", "/find", {"where": {"key": "a"}}).json()["commands"]
        assert [each["id"] for each in found] == ["in-2"]
        assert operated(worker, "POST", "/find", {"where": {"key": "b"}}).json() == {"commands": []}
        assert operated(worker, "POST", "/in-2/cancel", {}).json()["outcome"] == "cancelled"
        listed = operated(worker, "GET", "").json()
        assert (listed["commands"], [each["name"] for each in listed["schedules"]]) == ([], ["tower.bells.seconds"])
        assert "0 pending" in project.run("scheduled", "list", "--key", "a").stdout


def operated(worker: Running, method: str, path: str, body: object = None) -> httpx.Response:
    """What the console's page asks, as an operator."""
    headers = {"Authorization": f"Bearer {mint_token(SECRET, 'olga', [OPERATOR])}"}
    return httpx.request(method, f"{worker.url()}/console/api/scheduled{path}", json=body, headers=headers, timeout=60)


# -- whoever is killed


class Chimes:
    """Commands for the next seconds, some of which are cancelled."""

    def __init__(self, client: Client, number: int) -> None:
        self.due: dict[str, int] = {}
        self.bells: dict[str, str] = {}
        start = datetime.now(UTC) + timedelta(seconds=12)
        for each in range(number):
            id, bell = f"c{each}", f"bell-{each % 7}"
            at = start + timedelta(milliseconds=37 * ((each * 31) % number))
            client.send(ringing(bell, id), at=at, id=id)
            self.due[id], self.bells[id] = round(at.timestamp() * 1000), bell
        client.flush()
        assert datetime.now(UTC) < start, "what is sent when others are delivered comes behind them"
        self.cancelled = {id: client.cancel(RingBell, self.bells[id], id) for id in [*self.due][::5]}

    def settled(self) -> set[str]:
        """Which were cancelled; whoever was told otherwise was told that it is too late."""
        outcomes: dict[str, Any] = {id: handle.result(60) for id, handle in self.cancelled.items()}
        return {id for id, outcome in outcomes.items() if isinstance(outcome, Accepted)}


def exact(project: Tower, chimes: Chimes) -> None:
    """Check that each was delivered or cancelled, once, not early, and in order per bell."""
    cancelled = chimes.settled()
    expected = set(chimes.due) - cancelled
    eventually(lambda: len(set(ids_of(project))) >= len(expected), 60)
    records = [(dict(each.headers() or ())["ce_id"].decode(), each) for each in project.delivered()]
    assert {id for id, n in Counter(id for id, _ in records).items() if n > 1} == set(), "delivered twice"
    assert {id for id, _ in records} & cancelled == set(), "cancelled and delivered"
    assert {id for id, _ in records} == expected
    assert [id for id, each in records if each.timestamp()[1] < chimes.due[id]] == [], "early"
    for bell in set(chimes.bells.values()):
        order = [chimes.due[id] for id, _ in records if chimes.bells[id] == bell]
        assert order == sorted(order), f"{bell} is out of order"


@pytest.mark.chaos
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_step_of_fire_and_cancel_loses_and_doubles_nothing(project: Tower, point: str) -> None:
    worker = project.start("consumers").ready()
    with project.client() as client:
        chimes = Chimes(client, 200)
        worker.process.kill()
        worker.process.wait()
        for times in (2, 7, 15):
            dying = project.start("consumers", VERBWIRE_CRASH_POINT=f"{point}:{times}")
            deadline = time.monotonic() + 25
            while dying.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            dying.process.kill()
            dying.process.wait()
        project.start("consumers").ready()
        exact(project, chimes)


@pytest.mark.chaos
def test_workers_that_come_and_go_lose_and_double_nothing_that_is_due(project: Tower) -> None:
    first = project.start("consumers", name="w1").ready()
    with project.client() as client:
        chimes = Chimes(client, 300)
        second = project.start("consumers", name="w2").ready()
        first.process.terminate()
        first.process.wait(30)
        third = project.start("consumers", name="w1").ready()
        second.process.kill()
        exact(project, chimes)
        assert third.process.poll() is None
