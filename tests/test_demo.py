"""The demo as a person runs it, on a slice of the file: all must agree, twice, and it must notice when they do not."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from producers.counting import count
from schemas.carts import ProductAddedToCart
from tests.cluster import Cluster
from verbwire.contracts.load import load_catalog
from verbwire.embedded.processes import ProcessId
from verbwire.names import Names
from verbwire.sdk.client import Client
from verbwire.sdk.connection import Connection

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[1]
REAL = ROOT / "producers/data/online_retail_2010-12.csv.gz"
LINES = 3000
SECONDS = 120


@dataclass(frozen=True)
class Demo:
    """The demo's command line in an environment of its own."""

    environment: dict[str, str]
    file: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "producers.demo", "--file", str(self.file), *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> tuple[int, str]:
        with self.start("--exit") as process:
            output, _ = process.communicate(timeout=SECONDS)
            return process.returncode, output


@pytest.fixture
def demo(cluster: Cluster, unique: str, tmp_path: Path) -> Demo:
    file = tmp_path / "some.csv"
    with gzip.open(REAL) as lines:
        file.write_bytes(b"".join(islice(lines, LINES + 1)) + b"539650,84347,R")
    mine = {
        "VERBWIRE_BOOTSTRAP": cluster.bootstrap,
        "VERBWIRE_REGISTRY": cluster.registry_url,
        "VERBWIRE_PREFIX": unique,
        "VERBWIRE_PARTITIONS": "3",
        "VERBWIRE_DATA": str(tmp_path / "data"),
        "VERBWIRE_HTTP_SECRET": secrets.token_hex(32),
        "COLUMNS": "100",
    }
    return Demo({**os.environ, **mine}, file)


def row(output: str, name: str) -> list[str]:
    """The numbers of a line of the summary."""
    (line,) = (each for each in output.splitlines() if each.strip().startswith(f"{name} "))
    return line.strip().removeprefix(name).split()


def test_count_ledger_and_table_agree_and_a_second_run_changes_no_number(demo: Demo) -> None:
    expected = count(demo.file)
    code, output = demo.run()
    assert code == 0, output
    added = f"{expected.events['ProductAddedToCart']:,}"
    assert row(output, "ProductAddedToCart") == [added] * 3
    assert row(output, "pence in carts") == [f"{expected.pence:,}"] * 2
    assert row(output, "carts equal one by one") == [f"{len(expected.carts):,}"] * 2
    assert row(output, "lines unreadable") == ["1", "1"]
    assert "each command has one outcome" in output

    code, again = demo.run()
    assert code == 0, again
    assert "nothing happened twice" in again
    first, second = (text.partition("What it came to")[2].partition("\ncount:")[0] for text in (output, again))
    assert first == second


def test_a_number_that_differs_is_named_and_fails_the_demo(demo: Demo, cluster: Cluster) -> None:
    assert demo.run()[0] == 0
    names = Names("shop", demo.environment["VERBWIRE_PREFIX"])
    connection = Connection(cluster.bootstrap, cluster.registry_url, names, load_catalog(ROOT / "schemas"))
    stray = ProductAddedToCart(
        cart_id="536365",
        stock_code="POST",
        description="POSTAGE",
        quantity=1,
        unit_price_pence=1,
        line_pence=1,
        customer_id=None,
        country="United Kingdom",
    )
    with Client(connection) as client:
        client.publish(stray).result(10)
    code, output = demo.run()
    assert code == 1
    assert "These numbers differ" in output
    assert "pence in carts" in output.partition("These numbers differ")[2]


def test_it_stays_until_ctrl_c_with_urls_that_work_and_leaves_no_worker_behind(demo: Demo) -> None:
    with demo.start() as process:
        assert process.stdout is not None
        lines = list(takewhile(lambda line: "until Ctrl-C" not in line, process.stdout))
        record = Path(demo.environment["VERBWIRE_DATA"]) / "logs" / "workers.json"
        workers = msgspec.json.decode(record.read_bytes(), type=list[ProcessId])
        assert [worker.alive() for worker in workers] == [True, True]
        assert answer_of_first_url(lines)["cart_id"] == "536365"
        process.send_signal(signal.SIGINT)
        lines += process.stdout
        assert process.wait(SECONDS) == 0, "".join(lines)
    assert [worker.alive() for worker in workers] == [False, False]


def answer_of_first_url(lines: list[str]) -> dict[str, object]:
    """What a person gets who copies the first two lines that are said to be worth trying."""
    token = next(line for line in lines if line.startswith("TOKEN=")).strip().removeprefix("TOKEN=")
    url = urlsplit(next(line for line in lines if line.startswith("curl ")).split()[-1])
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)
    connection.request("GET", url.path, headers={"Authorization": f"Bearer {token}"})
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return answer
