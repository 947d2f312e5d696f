"""The whole shop on several workers that host everything: imported with credits, while workers are killed in turn."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from producers.counting import count
from producers.importer import Imported, import_sales
from producers.sales_lines import SalesLine, read_sales
from tests.faults.findings import Findings
from tests.faults.harness import ROOT, Shop
from tests.faults.money import NAMESPACES, Money
from tests.kit.cluster import eventually
from verbwire.client.base.connection import Connection
from verbwire.security.tokens import OPERATOR, mint_token

FOLDERS = ("consumers", "streams")
SETTLED_SECONDS = 120.0
_CLI = ("-c", "from verbwire.cli import main; main()")


def deploy_all(shop: Shop) -> None:
    """Run ``verbwire deploy`` for everything that the project declares."""
    subprocess.run(
        [sys.executable, *_CLI, "deploy"],
        cwd=ROOT,
        env={**os.environ, **shop.environment(), "VERBWIRE_PARTITIONS": str(shop.partitions)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


class Import(threading.Thread):
    """Imports a sales file beside the faults; `finished` waits for its end, and raises what has ended it."""

    def __init__(self, shop: Shop, sales: Path) -> None:
        super().__init__(name="import", daemon=True)
        self._connection = Connection(shop.cluster.bootstrap, shop.cluster.registry_url, shop.names, shop.catalog)
        self._sales = sales
        self._failure: BaseException | None = None
        self._given_up = False
        self.done = Imported()
        counted = count(sales)
        self.way = counted.lines + 3 * len(counted.carts)  # what `progress` comes to, roughly

    def run(self) -> None:
        """Send all of it, and remember what went wrong."""
        try:
            self.done = import_sales(self._connection, read_sales(self._sales), self._progress)
        except BaseException as error:  # noqa: BLE001 (it belongs to the thread that waits)
            self._failure = error

    def _progress(self, _: SalesLine | None, done: Imported) -> None:
        self.done = done
        if self._given_up:
            raise TimeoutError(f"the import was given up while {done.doing}, {done.settled} of {done.bought} settled")

    @property
    def progress(self) -> int:
        """A number that grows as it gets on: lines sent, carts decided, orders settled."""
        return self.done.lines + self.done.bought + 2 * self.done.settled

    def finished(self, shop: Shop, seconds: float) -> Imported:
        """Wait for its end and return what was done; raises what has ended it, or where it stood."""
        until = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < until:
            self.join(1.0)
            supervise(shop)
        if self.is_alive():
            self._given_up = True
            self.join(30)
        if self._failure is not None:
            raise self._failure
        return self.done


def supervise(shop: Shop) -> None:
    """Start again what has ended, as a supervisor does: librdkafka may crash while no broker coordinates a group."""
    for name, worker in list(shop.workers.items()):
        if worker.ended() is not None:
            shop.note("restart", worker=name, code=worker.ended())
            shop.start_again(name)


def kill_in_turn(shop: Shop, names: Sequence[str], importing: Import) -> None:
    """`kill -9` each worker once, at even distances of the import's way, and start it again at once."""
    for number, name in enumerate(names, start=1):
        due = importing.way * number // (len(names) + 1)

        def got_so_far(due: int = due) -> bool:
            return importing.progress >= due or not importing.is_alive()

        eventually(got_so_far, SETTLED_SECONDS)
        shop.kill(name)
        shop.start_again(name)


def exact(shop: Shop, sales: Path, seconds: float) -> None:
    """Wait until everything has been dealt with, and every number is that of the independent count; fail otherwise."""
    wanted = count(sales).outcomes

    def right() -> bool:
        supervise(shop)
        return not findings() and outcomes(shop) == wanted

    def findings() -> Findings:
        return Money(shop.cluster.bootstrap, shop.cluster.registry_url, shop.prefix).everything()

    try:
        eventually(right, seconds, every=1.0)
    except AssertionError as error:
        raise AssertionError(f"{findings()}\ncounted {wanted}\nledgers {outcomes(shop)}") from error


def outcomes(shop: Shop) -> Mapping[str, Counter[str]]:
    """What the outcome logs say became of each kind of command."""
    money = Money(shop.cluster.bootstrap, shop.cluster.registry_url, shop.prefix)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for namespace in NAMESPACES:
        for line in money.read(f"{namespace}.outcomes"):
            fields = line.fields
            found[fields["command"].rpartition(".")[2]][fields["code"] or fields["status"].lower()] += 1
    return found


def every_table_is_complete(shop: Shop, seconds: float = 30.0) -> None:
    """Wait until each worker says so of every table: also of those whose events are handed over among workers."""
    for worker in shop.workers.values():
        port = re.findall(r"HTTP on 127\.0\.0\.1:(\d+)", worker.log.read_text("utf-8", "replace"))[-1]
        eventually(partial(_all_complete, shop, f"http://127.0.0.1:{port}/tables"), seconds)


def _all_complete(shop: Shop, url: str) -> bool:
    token = mint_token(shop.environment()["VERBWIRE_HTTP_SECRET"], "tester", [OPERATOR])
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 (a worker's own)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 (a worker's own address)
        tables = msgspec.json.decode(answer.read())["tables"]
    assert len(tables) > 5, tables
    return all(table["complete"] for table in tables)
