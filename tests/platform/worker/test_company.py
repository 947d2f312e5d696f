"""Several workers answer as one: real processes on one table, one of which receives the commands, while some stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest

from tests.kit.bank import RECEIVER, TABLE
from tests.kit.cluster import Cluster, eventually
from tests.kit.company import FEW, JARS, PARTITIONS, RECOVERY, Company, company_of, lists_are_whole, nothing_wrong
from tests.kit.read_load import HEADERS, reading_under_load
from verbwire.wire.partitioner import partition_of

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def company(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with company_of(cluster, tmp_path_factory.mktemp("company"), FEW) as opened:
        yield opened


def test_several_workers_have_partitions_each_and_tell_of_all(company: Company) -> None:
    parts = [company.here(name) for name in company.running]
    assert sorted(partition for part in parts for partition in part) == list(range(PARTITIONS))
    assert all(parts)
    for jar in JARS:
        company.counters.put(jar)
    for running in company.running.values():
        running.has(dict(company.counters.sent))
        for jar in JARS:
            assert running.get(f"/tables/bank.jars/{jar}")[1]["pence"] == company.counters.sent[jar]
    # One that does not host a group answers for it all the same.
    assert company.running["w3"].get(f"/tables/{RECEIVER}/never")[0] == 404
    assert company.running["w3"].get(f"/tables/{RECEIVER}")[1]["complete"]


def test_several_workers_are_listed_by_the_command_line(company: Company) -> None:
    done = company.project.run("workers")
    listed = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    for name, url in company.urls().items():
        assert [words[:3] for words in listed if words[0] == name] == [[name, url, "there"]]
    assert sum(TABLE in words for words in listed) == len(FEW)


def test_a_worker_that_stops_finishes_the_requests_in_hand(company: Company) -> None:
    """Whoever waits for an outcome is told where to ask for it; nobody is told anything wrong."""
    company.ready()
    company.running["w1"].ends(signal.SIGTERM, 20)  # from now on nobody receives commands
    url = company.running["w2"].url()
    with (
        httpx.Client(base_url=url, headers=HEADERS, timeout=30) as client,
        ThreadPoolExecutor(1) as pool,
        reading_under_load(company.counters, {name: company.urls()[name] for name in ("w2", "w3")}) as readers,
    ):
        command = {"jar_id": "late", "pence": 1}
        waiting = pool.submit(client.post, "/commands/PutCoins", json=command, headers={"Prefer": "wait=25"})
        eventually(
            lambda: company.shop.read(company.shop.names.commands("bank.jars"), partition_of(b"late", PARTITIONS)),
            RECOVERY,
        )
        code, seconds = company.running["w2"].ends(signal.SIGTERM, 20)
        answer = waiting.result(1)
        assert (code, seconds < 6) == (0, True), company.running["w2"].said()[-3000:]
        assert (answer.status_code, answer.json()["outcome"]) == (202, "pending")
        assert company.running["w3"].get(answer.headers["location"])[0] in (202, 403)
        eventually(lambda: company.here("w3") == list(range(PARTITIONS)), RECOVERY)
        lists_are_whole(readers["w3"])
    nothing_wrong(readers)
