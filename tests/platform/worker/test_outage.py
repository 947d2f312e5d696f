"""A worker whose broker is away for a while: few lines, hardly any work, and all of it goes on by itself afterwards."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.kit.bank import Bank
from tests.kit.cluster import Cluster, eventually
from tests.kit.samples.bank.jars import PutCoins
from tests.kit.tcp_proxy import TcpProxy
from tests.kit.worker import Branch, Running, branch
from verbwire.embedded.artifacts import KAFKA, cache_folder
from verbwire.embedded.installation import install
from verbwire.embedded.kafka import Broker, Node, answers, program
from verbwire.embedded.ports import Ports
from verbwire.embedded.processes import stop
from verbwire.embedded.progress import Silent
from verbwire.wire.partitioner import partition_of

pytestmark = pytest.mark.kafka

PARTITIONS = 2
JARS = 7
COMPLAINT = re.compile(r"^(?:\S+ \S+ (?:WARNING|ERROR)|%\d\|).*$", re.MULTILINE)  # ours, a library's, librdkafka's


@contextmanager
def gated_broker(folder: Path) -> Iterator[TcpProxy]:
    """A broker of its own that is reached through a gate alone."""
    ports = Ports(cache_folder() / "ports")
    node = Node(1, ports.take(), ports.take())
    broker = Broker(node, [node], folder, program(install([KAFKA], Silent())[KAFKA]))
    with TcpProxy(f"http://{node.address}") as gate:
        with (folder / f"{node.name}.properties").open("a") as file:
            file.write(f"advertised.listeners=PLAINTEXT://{address_of(gate)}\n")
        broker.prepare()
        child = broker.start()
        try:
            eventually(lambda: answers(address_of(gate), 1), 60)
            yield gate
        finally:
            stop([child], 10)
            ports.release()


def address_of(gate: TcpProxy) -> str:
    return gate.url.removeprefix("http://")


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[TcpProxy]:
    (tmp_path / "broker").mkdir()
    with gated_broker(tmp_path / "broker") as opened:
        yield opened


@pytest.fixture
def project(cluster: Cluster, gate: TcpProxy, tmp_path: Path) -> Iterator[tuple[Bank, Branch]]:
    bank = Bank(Cluster(address_of(gate), cluster.registry_url), f"o{uuid.uuid4().hex[:10]}", PARTITIONS)
    (tmp_path / "project").mkdir()
    with branch(tmp_path / "project", bank) as opened:
        yield bank, opened
    bank.registry.close()


def send(bank: Bank, numbers: range) -> None:
    for number in numbers:
        command = PutCoins(jar_id=f"jar-{number % JARS}", pence=1)
        bank.send(command, partition_of(command.jar_id.encode(), PARTITIONS), id=f"c{number}")


def rows(count: int) -> dict[str, int]:
    return {f"jar-{each}": len(range(each, count, JARS)) for each in range(JARS)}


def has(worker: Running, wanted: dict[str, int]) -> bool:
    status, body = worker.get("/tables/bank.jars?page_size=1000")
    return status == 200 and {row["jar_id"]: row["pence"] for row in body["rows"]} == wanted


def complaints(worker: Running, before: int) -> list[str]:
    return COMPLAINT.findall(worker.said()[before:])


def cpu(worker: Running) -> float:
    return float(sum(psutil.Process(worker.process.pid).cpu_times()[:2]))


def goes_on_after(seconds: float, gate: TcpProxy, bank: Bank, worker: Running) -> tuple[list[str], float]:
    """Shut the gate in the midst of work; return what was complained of, and what share of a core was used then."""
    send(bank, range(70))
    worker.has(rows(70))
    send(bank, range(70, 140))
    said, used = len(worker.said()), cpu(worker)
    gate.shut()
    begun = eventually(lambda: complaints(worker, said))
    assert "is not reached" in begun[0], begun
    wait_out(worker, seconds)
    share = (cpu(worker) - used) / seconds
    gate.open()
    send(bank, range(140, 210))
    worker.until(lambda: has(worker, rows(210)))  # a worker that is cut off from its group answers nobody
    worker.ready()
    worker.until(lambda: "is reached again" in "".join(complaints(worker, said)))
    assert sum(len(bank.outcomes(partition)) for partition in range(PARTITIONS)) == 210
    assert len({line.command_id for p in range(PARTITIONS) for line in bank.outcomes(p)}) == 210
    return complaints(worker, said), share


def wait_out(worker: Running, seconds: float) -> None:
    """Let the outage last; the worker lives on."""
    with pytest.raises(AssertionError, match="not within"):
        eventually(lambda: worker.process.poll() is not None, seconds)


@pytest.mark.chaos
def test_an_outage_is_told_in_two_lines_and_everything_goes_on(gate: TcpProxy, project: tuple[Bank, Branch]) -> None:
    bank, folder = project
    worker = folder.start().ready()
    told, _ = goes_on_after(4.0, gate, bank, worker)
    assert [line for line in told if "reached" not in line] == [], "\n".join(told)
    assert len(told) == 2, told
    assert worker.get("/health/live")[0] == 200


@pytest.mark.chaos
def test_a_long_outage_is_told_once_a_minute_and_costs_little(gate: TcpProxy, project: tuple[Bank, Branch]) -> None:
    bank, folder = project
    worker = folder.start().ready()
    told, share = goes_on_after(70.0, gate, bank, worker)
    assert len(told) == 3, told
    assert share < 0.3, f"{share:.2f} of a core, for waiting"
