"""Three or four workers on one table, as processes of their own, and what may befall them."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kit.bank import RECEIVER, TABLE, Bank
from tests.kit.cluster import Cluster, eventually
from tests.kit.read_load import Counters, Reader
from tests.kit.worker import Branch, Running

NAMES = ("w1", "w2", "w3", "w4")
FEW = NAMES[:3]
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
    """Workers of these names: all of them keep the table, the first receives the commands too."""

    def __init__(self, folder: Path, shop: Bank, names: Sequence[str]) -> None:
        self.shop = shop
        self.project = Branch(folder, shop)
        self.project.write("streams/cut_off.py", CUT_OFF)
        self.counters = Counters(shop, JARS, PARTITIONS)
        self._ports = {name: _free_port() for name in names}
        self.running = {name: self.start(name) for name in names}

    def start(self, name: str) -> Running:
        """Start a worker, or a successor of the same name and address."""
        groups = () if name == "w1" else ("streams",)
        more = {"CUT_OFF_BY": str(self.cut(name)), "VERBWIRE_HTTP_PORT": str(self._ports[name])}
        return self.project.start(*groups, name=name, **more)

    def cut(self, name: str) -> Path:
        """The file that cuts a worker off while it is there."""
        return self.project.folder / f"cut-{name}"

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
        """Where they answer; a successor answers where the one before did."""
        return {name: f"http://127.0.0.1:{port}" for name, port in self._ports.items()}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def lists_are_whole(*groups: list[Reader]) -> None:
    """Wait until every one of these readers has got a complete list once more."""
    readers = [reader for group in groups for reader in group]
    before = [reader.told["list complete"] for reader in readers]
    eventually(lambda: all(r.told["list complete"] > n for r, n in zip(readers, before, strict=True)), RECOVERY)


def nothing_wrong(readers: dict[str, list[Reader]]) -> None:
    wrong = [each for group in readers.values() for reader in group for each in reader.wrong]
    assert not wrong, f"{len(wrong)} wrong answers: {wrong[:5]}"


@contextmanager
def company_of(cluster: Cluster, folder: Path, names: Sequence[str] = NAMES) -> Iterator[Company]:
    """Workers that answer for everything, until the block ends."""
    shop = Bank(cluster, f"c{uuid.uuid4().hex[:10]}", PARTITIONS)
    opened = Company(folder, shop, names)
    try:
        yield opened.ready()
    finally:
        opened.project.kill()
        shop.close()
