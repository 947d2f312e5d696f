"""Several workers answer as one: real processes on one table, while some of them are killed, stopped and come back."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.cluster import Cluster, eventually
from tests.platform.engine_kit import RECEIVER, TABLE, Bank
from tests.platform.hammer import HEADERS, Counters, Reader, as_it_wakes, hammering
from tests.platform.worker_kit import Branch, Running
from verbwire.wire.murmur2 import partition_of

pytestmark = pytest.mark.kafka

PARTITIONS = 8
JARS = [f"jar-{number}" for number in range(24)]
RECOVERY = 30.0  # a session of eight seconds, and what a busy machine makes of it


# A worker that is cut off from its group, and from nothing else, for as long as a file is there.
CUT_OFF = """
import asyncio, os, pathlib
from aiokafka.client import AIOKafkaClient

send, cut = AIOKafkaClient.send, pathlib.Path(os.environ.get("CUT_OFF_BY", "never"))

async def send_unless_cut(self, *arguments, **options):
    while cut.exists():
        await asyncio.sleep(0.02)
    answer = await send(self, *arguments, **options)
    while cut.exists():
        await asyncio.sleep(0.02)
    return answer

AIOKafkaClient.send = send_unless_cut
"""


class Company:
    """Four workers: all of them keep the table, the first receives the commands too."""

    def __init__(self, folder: Path, shop: Bank) -> None:
        self.shop = shop
        self.project = Branch(folder, shop)
        self.project.write("streams/cut_off.py", CUT_OFF)
        self.counters = Counters(shop, JARS, PARTITIONS)
        self.cut = folder / "cut-w4"
        self.running = {"w1": self.project.start(name="w1"), **{name: self.start(name) for name in ("w2", "w3", "w4")}}

    def start(self, name: str) -> Running:
        return self.project.start("streams", name=name, CUT_OFF_BY=str(self.project.folder / f"cut-{name}"))

    def ready(self) -> Company:
        """Wait until every worker answers for everything."""
        for running in self.running.values():
            running.ready()
            running.until(lambda running=running: self.whole(running))
        return self

    def whole(self, running: Running) -> bool:
        """Whether a worker knows an owner that is ready for every partition of every table."""
        tables = running.get("/tables")[1]["tables"]
        return {table["name"]: table["missing_partitions"] for table in tables} == {TABLE: [], RECEIVER: []}

    def here(self, name: str) -> list[int]:
        """The table's partitions that a worker has."""
        (table,) = (each for each in self.running[name].get("/tables")[1]["tables"] if each["name"] == TABLE)
        found: list[int] = table["here"]
        return found

    def urls(self) -> dict[str, str]:
        return {name: running.url() for name, running in self.running.items()}


@pytest.fixture(scope="module")
def company(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    shop = Bank(cluster, f"c{uuid.uuid4().hex[:10]}", PARTITIONS)
    opened = Company(tmp_path_factory.mktemp("company"), shop)
    try:
        yield opened.ready()
    finally:
        opened.project.kill()
        shop.close()


def lists_are_whole(*groups: list[Reader]) -> None:
    """Wait until every one of these readers has got a complete list once more."""
    readers = [reader for group in groups for reader in group]
    before = [reader.told["list complete"] for reader in readers]
    eventually(lambda: all(r.told["list complete"] > n for r, n in zip(readers, before, strict=True)), RECOVERY)


def nothing_wrong(readers: dict[str, list[Reader]]) -> None:
    wrong = [each for group in readers.values() for reader in group for each in reader.wrong]
    assert not wrong, f"{len(wrong)} wrong answers: {wrong[:5]}"


def test_each_has_a_part_and_tells_of_all(company: Company) -> None:
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


def test_the_command_line_lists_them(company: Company) -> None:
    done = company.project.run("workers")
    listed = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    for name, url in company.urls().items():
        assert [words[:3] for words in listed if words[0] == name] == [[name, url, "there"]]
    assert sum(TABLE in words for words in listed) == 4


def test_whatever_happens_to_them_an_answer_is_right_or_there_is_none(company: Company) -> None:
    """One is killed, one is cut off from its group, one stopped for longer than its session.

    The last one finds requests when it wakes, and others that are far ahead of it.
    """
    with hammering(company.counters, company.urls()) as readers:
        eventually(lambda: len(company.counters.seen) == len(JARS), RECOVERY)
        lists_are_whole(*readers.values())
        stopped, its = company.running["w3"].process, company.here("w3")
        company.running["w2"].process.kill()
        company.cut.touch()
        stopped.send_signal(signal.SIGSTOP)
        try:
            eventually(lambda: company.here("w1") == list(range(PARTITIONS)), RECOVERY)
            lists_are_whole(readers["w1"], readers["w4"])  # by way of the first
            jars = [jar for jar in JARS if partition_of(jar.encode(), PARTITIONS) in its]
            as_it_wakes(readers["w3"][0], jars * 8, lambda: stopped.send_signal(signal.SIGCONT))
        finally:
            stopped.send_signal(signal.SIGCONT)
            company.cut.unlink()
        company.running["w2"] = company.start("w2")
        company.ready()
        lists_are_whole(*(readers[name] for name in ("w1", "w3", "w4")))
    nothing_wrong(readers)
    for running in company.running.values():
        running.has(dict(company.counters.sent))


def test_one_that_stops_finishes_what_is_in_hand(company: Company) -> None:
    """Whoever waits for an outcome is told where to ask for it; nobody is told anything wrong."""
    company.ready()
    company.running["w1"].ends(signal.SIGTERM, 20)  # from now on nobody receives commands
    company.running["w4"].ends(signal.SIGTERM, 20)
    url = company.running["w2"].url()
    with (
        httpx.Client(base_url=url, headers=HEADERS, timeout=30) as client,
        ThreadPoolExecutor(1) as pool,
        hammering(company.counters, {name: company.running[name].url() for name in ("w2", "w3")}) as readers,
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
