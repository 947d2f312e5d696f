"""Workers are killed at every step of parking, trying again and skipping: nothing is lost, or overtakes.

By tables nothing is done twice, either; subscribers handle each event at least once.
"""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.kit import bank_jars
from tests.kit.bank import GROUPS, NAMESPACE, TABLE, Bank
from tests.kit.cluster import Cluster
from tests.kit.samples.bank.jars import CoinsPut
from tests.kit.worker import Branch, branch
from verbwire.dead_letters.shown import shown_message
from verbwire.declarations.parking import Parking
from verbwire.declarations.subscriber import Subscriber
from verbwire.deploy.group_plan import GroupPlan
from verbwire.engine.transactions.failpoints import PARKING_POINTS, POINTS
from verbwire.messages import Kind
from verbwire.parking.desk import ParkedDesk
from verbwire.parking.parked_key import ANY

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

PARKS = bank_jars.table(parking=Parking(keys=5, records=50))


LISTENER = Subscriber("bank.listener", parking=Parking())


@LISTENER.on
def heard(event: CoinsPut) -> None:
    """Stand for what the project declares, for the desk."""


LISTENS = """
from schemas.jars import CoinsPut
from verbwire import Parking, Subscriber

listener = Subscriber("bank.listener", retries=1, parking=Parking(keys=5, records=50))

@listener.on
def put(event: CoinsPut) -> None:
    if event.how == "raises":
        raise RuntimeError("no such jar")
    with open("heard.txt", "a") as heard:
        heard.write(f"{event.jar_id} {event.pence}\\n")
"""
PLAN = GroupPlan("bank.listener", Kind.EVENT, (NAMESPACE,), requeues=True, heeds=True, parks=True)


@pytest.fixture
def bank(cluster: Cluster) -> Iterator[Bank]:
    opened = Bank(cluster, f"k{uuid.uuid4().hex[:10]}", 1, [*GROUPS, PLAN])
    yield opened
    opened.close()


@pytest.fixture
def project(bank: Bank, tmp_path: Path) -> Iterator[Branch]:
    with branch(tmp_path, bank) as opened:
        yield opened


@pytest.fixture
def desk(bank: Bank) -> Iterator[ParkedDesk]:
    with closing(ParkedDesk(bank.connection, bank.registry, shown_message)) as opened:
        yield opened


def rewrite(project: Branch, before: str, after: str) -> None:
    text = (project.folder / "streams/jars.py").read_text()
    assert before in text
    project.write("streams/jars.py", text.replace(before, after))


def killed(project: Branch, point: str, group: str = "streams") -> None:
    """Run a worker until it dies in the first transaction that comes to the point."""
    dying = project.start(group, VERBWIRE_CRASH_POINT=f"{point}:1")
    assert dying.ends(None, 30.0)[0] == -signal.SIGKILL, dying.said()[-3000:]


@pytest.mark.parametrize("point", POINTS)
def test_parking_retry_and_skip_are_exact_whatever_is_killed(
    bank: Bank, project: Branch, desk: ParkedDesk, point: str
) -> None:
    rewrite(project, "parking=None", "parking=Parking(keys=5, records=50)")
    rewrite(project, "import Table", "import Parking, Table")
    rewrite(project, 'if event.how == "raises":', 'if event.how in ("raises", "worse"):')
    events = [("a", 1, ""), ("a", 10, "raises"), ("b", 2, ""), ("a", 100, ""), ("c", 5, "worse"), ("c", 50, "")]
    for jar, pence, how in events:
        bank.send(CoinsPut(jar_id=jar, pence=pence, how=how), 0)
    killed(project, point)  # while it parks
    worker = project.start("streams").ready()
    worker.until(lambda: worker.rows() == {"a": 1, "b": 2})
    bank.send(CoinsPut(jar_id="a", pence=1000), 0)
    bank.send(CoinsPut(jar_id="b", pence=20), 0)
    worker.until(lambda: worker.rows() == {"a": 1, "b": 22})
    status, problem = worker.get("/tables/bank.jars/a")
    assert (status, problem["code"], problem["records"]) == (503, "parked", 3)
    assert {key.key: key.records for key in desk.keys(PARKS)} == {"a": 3, "c": 2}
    assert [each.message["pence"] for each in desk.show(PARKS, "a")[1]] == [10, 100, 1000]
    worker.ends(signal.SIGKILL, 10)

    rewrite(project, '("raises", "worse")', '("worse",)')  # mended
    desk.retry(PARKS, ["a"], ANY, "ann", "mended", 0)
    killed(project, point)  # while it tries again
    worker = project.start("streams").ready()
    worker.until(lambda: worker.rows() == {"a": 1111, "b": 22})
    assert {key.key: key.records for key in desk.keys(PARKS)} == {"c": 2}
    worker.ends(signal.SIGKILL, 10)

    desk.skip(PARKS, "c", "ann", "of a test", 0)
    killed(project, point)  # while it skips
    worker = project.start("streams").ready()
    worker.until(lambda: worker.rows() == {"a": 1111, "b": 22, "c": 50})
    assert desk.keys(PARKS) == []
    (letter,) = bank.dead_letters(0, TABLE)
    assert (letter.header("vw_reason"), letter.header("vw_offset")) == ("skipped", "4")
    worker.ends(signal.SIGTERM, 20)
    assert len(bank.read(bank.names.events(NAMESPACE), 0)) == len(events) + 2


@pytest.mark.parametrize("point", PARKING_POINTS)
def test_parking_of_a_subscriber_loses_nothing_and_keeps_the_order_whatever_is_killed(
    bank: Bank, project: Branch, desk: ParkedDesk, point: str
) -> None:
    project.write("consumers/listener.py", LISTENS)
    for jar, pence, how in [("a", 1, ""), ("a", 10, "raises"), ("b", 2, ""), ("a", 100, "")]:
        bank.send(CoinsPut(jar_id=jar, pence=pence, how=how), 0)
    if point == "after-park":
        killed(project, point, LISTENER.group)
    worker = project.start(LISTENER.group).ready()
    bank.send(CoinsPut(jar_id="a", pence=1000), 0)
    worker.until(lambda: [each.records for each in desk.keys(LISTENER)] == [3])
    worker.until(lambda: [*heard_of(project, "b")] == [2])
    assert [*heard_of(project, "a")] == [1]
    worker.ends(signal.SIGKILL, 10)

    text = (project.folder / "consumers/listener.py").read_text()
    project.write("consumers/listener.py", text.replace('"raises"', '"never"'))  # mended
    desk.retry(LISTENER, ["a"], ANY, "ann", "mended", 0)
    if point != "after-park":
        killed(project, point, LISTENER.group)
    bank.send(CoinsPut(jar_id="a", pence=10_000), 0)
    worker = project.start(LISTENER.group).ready()
    worker.until(lambda: 10_000 in heard_of(project, "a"))
    assert [*heard_of(project, "a")] == [1, 10, 100, 1000, 10_000]
    assert desk.keys(LISTENER) == []
    assert bank.dead_letters(0, LISTENER.group) == []
    worker.ends(signal.SIGTERM, 20)


def heard_of(project: Branch, jar: str) -> dict[int, None]:
    """What the listener has heard of a jar, in the order in which it was heard first."""
    said = [line.split() for line in (project.folder / "heard.txt").read_text().splitlines()]
    return {int(pence): None for name, pence in said if name == jar}
