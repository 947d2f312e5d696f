"""The load: lines of the shop's sales file as commands, at full speed or at a steady pace beside the faults."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from producers.counting import Expected, count
from producers.sales_lines import ToSend, read_sales
from schemas.accounts import CreditBalance
from tests.faults.harness import ROOT, Shop
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.principal import Principal

SALES = ROOT / "producers" / "data" / "online_retail_2010-12.csv.gz"


def slice_of_sales(folder: Path, lines: int) -> Path:
    """Return a file with the first lines of the sales file."""
    path = folder / f"sales-{lines}.csv"
    with gzip.open(SALES) as sales, path.open("wb") as out:
        for _, line in zip(range(lines + 1), sales, strict=False):
            out.write(line)
    return path


class Load:
    """The commands of one sales file, sent part by part. Sending a part twice would be harmless, and is not done."""

    def __init__(self, shop: Shop, sales: Path) -> None:
        self._shop = shop
        self._sales = sales
        sent = [line for line in read_sales(sales) if isinstance(line, ToSend)]
        self._left = [line for line in sent if not isinstance(line.command, CreditBalance)]  # carts are checked here
        self._left.reverse()
        self.size = len(self._left)
        self._client = Client(
            Connection(
                bootstrap=shop.cluster.bootstrap,
                registry=shop.cluster.registry_url,
                names=shop.names,
                catalog=shop.catalog,
                principal=Principal("importer", ("carts:write",)),
            )
        )
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def expected(self) -> Expected:
        """What the whole file has to come to, counted from its bytes."""
        return count(self._sales)

    @property
    def left(self) -> int:
        """How many commands are not sent yet."""
        return len(self._left)

    def send(self, n: int | None = None) -> None:
        """Send the next `n` commands, or all that are left, and wait for the broker."""
        with self._one_at_a_time:
            for _ in range(min(len(self._left), self.size if n is None else n)):
                line = self._left.pop()
                self._client.send(line.command, id=line.id)
            self._client.flush()
        self._shop.note("sent", left=len(self._left))

    @contextmanager
    def steady(self, per_second: int) -> Iterator[None]:
        """Send at this pace meanwhile, as long as there is something left."""
        over = threading.Event()
        thread = threading.Thread(target=self._trickle, args=(per_second, over), name="load")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _trickle(self, per_second: int, over: threading.Event) -> None:
        due = time.monotonic()
        while self._left and not over.wait(max(0.0, due - time.monotonic())):
            due += 0.05
            self.send(max(1, per_second // 20))
