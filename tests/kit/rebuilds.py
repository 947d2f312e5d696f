"""A table that is rebuilt while its workers answer: each generation is told from the other by what its rows hold."""

from __future__ import annotations

import subprocess
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

from tests.kit.bank import Bank
from tests.kit.cluster import Cluster, eventually
from tests.kit.read_load import Counters, Reader, reading_under_load
from tests.kit.worker import Branch, Running

PARTITIONS = 4
JARS = [f"jar-{number}" for number in range(16)]
MARK = 1_000_000
"""What each row of a generation has more than is in the jar, times the number in ``FOLDED_BY`` when it was folded."""

# A jar that is there goes on from its row, whoever has made it: what the rebuild adds stays in its generation.
STREAMS = """
import os
from schemas.jars import CoinsPut, JarRow
from verbwire import Table

jars = Table("bank.jars", row=JarRow, index=["pence"])
base = 1_000_000 * int(os.environ.get("FOLDED_BY", "0"))

@jars.on
def coins_put(row: JarRow | None, event: CoinsPut) -> JarRow:
    return JarRow(jar_id=event.jar_id, pence=(row.pence if row else base) + event.pence)
"""


@dataclass
class MarkedCounters(Counters):
    """Judges answers that must be of one generation, and of none that others have seen to be over.

    `order` are the marks of the generations in the order in which they may be seen.
    """

    order: Sequence[int] = (0,)
    reached: int = 0  # the place in that order of the latest that was seen

    def least(self) -> Counter[str]:
        """What has been seen so far, and of which generation."""
        with self.lock:
            return _Seen(self.seen, self.order, self.reached)

    def saw(self, rows: dict[str, int], least: Counter[str]) -> str | None:
        """Note an answer; return what is wrong with it."""
        assert isinstance(least, _Seen)
        marks = sorted({pence // MARK for pence in rows.values()})
        wrong = super().saw({jar: pence % MARK for jar, pence in rows.items()}, least)
        place = least.order.index(marks[0]) if marks and marks[0] in least.order else -1
        if rows and (len(marks) > 1 or place < least.reached):
            return f"generations {marks} after {least.order[least.reached]} had been seen; {wrong or ''}"
        with self.lock:
            if least.order is self.order:
                self.reached = max(self.reached, place)
        return wrong

    def expect(self, *order: int) -> None:
        """Forget which were seen; from now on they come in this order."""
        with self.lock:
            self.order, self.reached = order, 0


class _Seen(Counter[str]):
    """What had been seen when a question was asked."""

    def __init__(self, seen: Counter[str], order: Sequence[int], reached: int) -> None:
        super().__init__(seen)
        self.order, self.reached = order, reached


class RebuiltTable:
    """Workers of one table under load, and the command line beside them."""

    def __init__(self, folder: Path, bank: Bank, workers: int, modules: dict[str, str]) -> None:
        self.bank = bank
        self.project = Branch(folder, bank)
        self.project.write("streams/jars.py", STREAMS)
        for name, text in modules.items():
            self.project.write(name, text)
        self.counters = MarkedCounters(bank, JARS, PARTITIONS)
        for jar in JARS:
            self.counters.put(jar)
        self.workers: dict[str, Running] = {f"w{n}": self.start(f"w{n}") for n in range(1, workers + 1)}

    def start(self, name: str) -> Running:
        """Start a worker, or its successor."""
        return self.project.start("streams", name=name)

    def ready(self) -> None:
        """Wait until every worker knows an owner of every partition."""
        for each in self.workers.values():
            each.ready()
            each.until(lambda each=each: self.table(each)["missing_partitions"] == [])

    def table(self, worker: Running) -> dict[str, object]:
        """What a worker says of the table."""
        (found,) = (each for each in worker.get("/tables")[1]["tables"] if each["name"] == "bank.jars")
        return dict(found)

    def rebuild(self, *how: str, folded_by: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `verbwire rebuild` to its end."""
        return self.project.run("rebuild", "bank.jars", *how, FOLDED_BY=str(folded_by), **environment)

    def done(self, *how: str, folded_by: int = 0, **environment: str) -> str:
        """The same; what it printed, where it did what it should."""
        ran = self.rebuild(*how, folded_by=folded_by, **environment)
        assert ran.returncode == 0, f"{how}: {ran.returncode}\n{ran.stdout}\n{ran.stderr[-3000:]}"
        return ran.stdout

    @contextmanager
    def under_load(self) -> Iterator[list[Reader]]:
        """Read from all workers, and judge, while jars are filled."""
        urls = {name: each.url() for name, each in self.workers.items()}
        with reading_under_load(self.counters, urls) as readers:
            every = [reader for group in readers.values() for reader in group]
            yield every

    def seen_by_all(self, readers: Sequence[Reader], place: int) -> None:
        """Wait until some answer was of the generation at this place of the order, then for more lists of each."""
        eventually(lambda: self.counters.reached >= place, 30)
        before = [each.told["list complete"] for each in readers]
        eventually(lambda: all(each.told["list complete"] > n for each, n in zip(readers, before, strict=True)), 30)


def wrong(readers: Sequence[Reader]) -> list[str]:
    """What was wrong with their answers."""
    return [each for reader in readers for each in reader.wrong]


@contextmanager
def rebuilt_table(
    cluster: Cluster, folder: Path, workers: int = 2, modules: dict[str, str] | None = None
) -> Iterator[RebuiltTable]:
    """Workers that answer for everything, until the block ends."""
    bank = Bank(cluster, f"g{uuid.uuid4().hex[:10]}", PARTITIONS)
    opened = RebuiltTable(folder, bank, workers, modules or {})
    try:
        opened.ready()
        yield opened
    finally:
        opened.project.kill()
        close_with_all(bank)


def close_with_all(bank: Bank) -> None:
    """Close it, with the topics that are there by now: rebuilds have made some, and deleted others."""
    there = AdminClient({"bootstrap.servers": bank.cluster.bootstrap}).list_topics(timeout=30).topics
    bank.forget_topics(each for each in there if each.startswith(f"{bank.names.prefix}."))
    bank.close()
