"""The demo as a person runs it, on a slice of the file: all must agree, twice, and it must notice when they do not."""

from __future__ import annotations

import csv
import gzip
import http.client
import io
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import uuid
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

import msgspec
import pytest

from producers.counting import count
from producers.till import main as till
from schemas.carts import ProductAddedToCart
from tests.kit.cluster import Cluster, eventually
from tests.shop import connection_to
from verbwire.client import Client
from verbwire.embedded import ProcessId

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[1]
REAL = ROOT / "producers/data/online_retail_2010-12.csv.gz"
LINES = 800  # with a price and a cart that are refused, and a credit
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

    def till(self, *arguments: str) -> tuple[int, str]:
        said = io.StringIO()
        with patch.dict(os.environ, self.environment), redirect_stdout(said):
            return till(arguments), said.getvalue()

    def run(self, *arguments: str) -> tuple[int, str]:
        with self.start("--exit", *arguments) as process:
            output, _ = process.communicate(timeout=SECONDS)
            return process.returncode, output


@pytest.fixture(scope="module")
def demo(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    file = folder / "some.csv"
    with gzip.open(REAL) as lines:
        file.write_bytes(b"".join(islice(lines, LINES + 1)) + b"539650,84347,R")
    mine = {
        "VERBWIRE_BOOTSTRAP": cluster.bootstrap,
        "VERBWIRE_REGISTRY": cluster.registry_url,
        "VERBWIRE_PREFIX": f"t{uuid.uuid4().hex[:10]}",
        "VERBWIRE_PARTITIONS": "3",
        "VERBWIRE_DATA": str(folder / "data"),
        "VERBWIRE_HTTP_SECRET": secrets.token_hex(32),
        "COLUMNS": "100",
    }
    return Demo({**os.environ, **mine}, file)


@pytest.fixture(scope="module")
def first(demo: Demo) -> str:
    """What the first run says. The tests go on from there, one after the other."""
    code, output = demo.run()
    assert code == 0, output
    return output


def row(output: str, name: str) -> list[str]:
    """The numbers of a line of the summary."""
    (line,) = (each for each in output.splitlines() if each.strip().startswith(f"{name}  "))
    return line.strip().removeprefix(name).split()


def test_count_ledgers_and_tables_agree(demo: Demo, first: str) -> None:
    expected = count(demo.file)
    carts = f"{len(expected.carts):,}"
    assert row(first, "ProductAddedToCart") == [f"{expected.outcomes['AddProductToCart']['accepted']:,}"] * 3
    assert row(first, "OrderConfirmed") == [carts] * 3
    assert row(first, "orders") == [carts] * 3
    assert row(first, "orders not paid in time") == ["1", "1"]
    assert row(first, "CancelOrder") == row(first, "OrderCancelled")[:2] == ["1", "1"]
    assert row(first, "checkouts that are not over") == ["0", "0"]
    assert row(first, "receipts") == [carts] * 2
    assert row(first, "CreditBalance") == [f"{expected.commands['CreditBalance']:,}"] * 3
    assert row(first, "pence debited") == [f"{expected.debited:,}"] * 2
    assert row(first, "pence credited") == [f"{expected.credited:,}"] * 2
    assert row(first, "minutes equal one by one") == [f"{len(expected.minutes):,}"] * 2
    assert row(first, "pence in carts") == [f"{expected.pence:,}"] * 2
    assert row(first, "carts equal one by one") == [carts] * 2
    assert row(first, "lines unreadable") == ["1", "1"]
    assert "each command has one outcome" in first


def test_once_more_it_changes_no_number_and_stays_until_ctrl_c_with_urls_that_work(demo: Demo, first: str) -> None:
    with demo.start() as process:
        assert process.stdout is not None
        lines = list(takewhile(lambda line: "until Ctrl-C" not in line, process.stdout))
        record = Path(demo.environment["VERBWIRE_DATA"]) / "logs" / "workers.json"
        workers = msgspec.json.decode(record.read_bytes(), type=list[ProcessId])
        assert [worker.alive() for worker in workers] == [True, True]
        assert re.search(r"http://[0-9.:]+/console", "".join(lines))
        assert answer_of_first_url(lines)["cart_id"] == "536365"
        at_the_till(demo)
        report_of_all_sales(demo)
        process.send_signal(signal.SIGINT)
        lines += process.stdout
        assert process.wait(SECONDS) == 0, "".join(lines)
    assert [worker.alive() for worker in workers] == [False, False]
    again = "".join(lines)
    assert "nothing happened twice" in again
    before, after = (text.partition("What it came to")[2].partition("\ncount:")[0] for text in (first, again))
    assert before == after


@pytest.mark.chaos
def test_a_number_that_differs_is_named_and_fails_the_demo(demo: Demo, first: str, cluster: Cluster) -> None:
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
    with Client(connection_to(cluster, demo.environment["VERBWIRE_PREFIX"])) as client:
        client.publish(stray).result(10)
    code, output = demo.run("--patience", "3")
    assert code == 1
    assert "These numbers differ" in output
    assert "pence in carts" in output.partition("These numbers differ")[2]


def at_the_till(demo: Demo) -> None:
    code, said = demo.till("order", "till-1", "--total", "12.50", "--note", "ring twice")
    assert code == 0, said
    assert "receipt: order till-1, GBP 12.50" in said
    assert "till-1: " in said.partition("receipt")[2]  # it sees its own write
    assert demo.till("order", "till-1", "--total", "1")[0] == 1
    code, said = demo.till("order", "till 2", "--total", "1,50")
    assert (code, said.count("no: ")) == (1, 2)
    assert "till-1: " in demo.till("find", "--search", "ring")[1]


def report_of_all_sales(demo: Demo) -> None:
    assert demo.till("report", "december", "2010-12-01", "2011-01-01")[0] == 0
    file = Path(demo.environment["VERBWIRE_DATA"]) / "reports" / "december.csv"
    eventually(file.exists)
    assert sum(int(line["pence"]) for line in csv.DictReader(file.read_text().splitlines())) == count(demo.file).pence


def answer_of_first_url(lines: list[str]) -> dict[str, object]:
    """What a person gets who copies the first two lines that are said to be worth trying."""
    token = next(line for line in lines if line.startswith("TOKEN=")).strip().removeprefix("TOKEN=")
    url = urlsplit(next(line for line in lines if line.startswith("curl ")).split()[-1])
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)
    connection.request("GET", url.path, headers={"Authorization": f"Bearer {token}"})
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return answer
