"""Two versions of one project, of whose rows and states a field is added, one removed and one renamed, under load."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kit.bank import NAMESPACE, RECEIVER, TABLE, Bank
from tests.kit.samples.bank.jars import PutCoins
from tests.kit.worker import REST, Branch, Running
from verbwire.wire.codec.display import plain
from verbwire.wire.partitioner import partition_of

_RECEIVER = """
from schemas.jars import CoinsPut, JarState, PutCoins
from verbwire import Aggregate

jars = Aggregate("bank.jars", state=JarState)

@jars.handles
def put(command: PutCoins, jar: JarState | None) -> CoinsPut:
    return CoinsPut(jar_id=command.jar_id, pence=command.pence, how=command.how)

@jars.applies
def coins_put(jar: JarState | None, event: CoinsPut) -> JarState:
    jar = jar or JarState(jar_id=event.jar_id)
    return JarState({fields})
"""
_TABLE = """
from schemas.jars import CoinsPut, JarRow
from verbwire import Table

jars = Table("bank.jars", row=JarRow, index=[{index}])

@jars.on
def coins_put(jar: JarRow | None, event: CoinsPut) -> JarRow:
    jar = jar or JarRow(jar_id=event.jar_id)
    return JarRow({fields})
"""
_FIRST = "jar_id=jar.jar_id, pence=jar.pence + event.pence, label=event.how"
_SECOND = "jar_id=jar.jar_id, coins=jar.coins + event.pence, isbn=event.how or jar.isbn"
_SECOND_FIELDS: list[dict[str, Any]] = [
    {"name": "jar_id", "type": "string", "doc": "The jar."},
    {"name": "coins", "type": "int", "doc": "What is in it.", "default": 0, "aliases": ["pence"]},
    {"name": "isbn", "type": "string", "doc": "Who looked into it last.", "default": ""},
]


class Versions:
    """The project in its first and in its second version, with workers that are updated and rolled back."""

    def __init__(self, bank: Bank, first: Branch, second: Branch, data: Path) -> None:
        self.bank = bank
        self._projects = {1: first, 2: second}
        self._data = data
        self.workers: dict[str, Running] = {}
        self.sent: Counter[str] = Counter()  # pence, by jar
        self.looked: dict[str, str] = {}  # who looked into each jar last
        self._count = 0
        first.write("consumers/jars.py", _RECEIVER.format(fields=_FIRST) + REST)
        first.write("streams/jars.py", _TABLE.format(fields=_FIRST, index='"pence"'))
        second.write("consumers/jars.py", _RECEIVER.format(fields=_SECOND) + REST)
        second.write("streams/jars.py", _TABLE.format(fields=_SECOND, index='"coins"'))
        for name in ("JarRow", "JarState"):
            file = second.folder / f"schemas/jars/{name}.avsc"
            schema = {**json.loads(file.read_text()), "fields": _SECOND_FIELDS}
            second.write(f"schemas/jars/{name}.avsc", json.dumps(schema, indent=2))

    def run(self, version: int, *arguments: str) -> str:
        """Run a command of one version's project to its good end."""
        done = self._projects[version].run(*arguments, VERBWIRE_PARTITIONS=str(self.bank.partitions))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def checked(self, version: int) -> str:
        """What ``check --deployed`` says of a version, which handles not all that the bank's contracts speak of."""
        partitions = str(self.bank.partitions)
        return self._projects[version].run("check", "--deployed", VERBWIRE_PARTITIONS=partitions).stdout

    def start(self, version: int, *names: str) -> None:
        """Start workers of a version, which leave their groups when they are stopped."""
        for name in names:
            project, data = self._projects[version], str(self._data)
            self.workers[name] = project.start("--leave", name=name, VERBWIRE_DATA=data)

    def stop(self, *names: str) -> None:
        """Stop workers as an orchestrator does."""
        for name in names:
            self.workers[name].process.send_signal(signal.SIGTERM)
        for name in names:
            assert self.workers[name].process.wait(20) == 0, self.workers[name].said()[-3000:]

    def ready(self, *names: str) -> None:
        """Wait until these answer for all partitions that they own."""
        for name in names:
            self.workers[name].ready()

    def settled(self, name: str) -> None:
        """Wait until a worker is ready, or says that all it owns stands still."""
        worker = self.workers[name]
        worker.until(lambda: (found := worker.get("/health/ready"))[0] == 200 or found[1].get("code") == "stopped")

    def looked_into(self) -> None:
        """Wait until the table tells who has looked into each jar last."""
        worker = next(iter(self.workers.values()))
        worker.until(lambda: {row["jar_id"]: row["isbn"] for row in self.rows(worker)} == self.looked)

    # -- load

    def put(self, jars: Iterable[int], how: str = "") -> None:
        """Send a command to each of these jars; `how` is who looks into it."""
        for jar in jars:
            key = f"jar-{jar}"
            number, self._count = self._count, self._count + 1
            place = partition_of(key.encode(), self.bank.partitions)
            self.bank.send(PutCoins(jar_id=key, pence=1 + number % 5, how=how), place, id=f"c{number}")
            self.sent[key] += 1 + number % 5
            if how:
                self.looked[key] = how

    @contextmanager
    def load(self, jars: int) -> Iterator[None]:
        """Send commands all the time."""
        done = threading.Event()

        def send() -> None:
            while not done.is_set():
                self.put(range(jars))
                done.wait(0.1)

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    # -- what there is in the end

    def held(self, group: str, table: str) -> dict[str, dict[str, Any]]:
        """The rows, or states, as the changelog has them last, whatever schema they were written with."""
        topic = self.bank.names.changelog(self.bank.names.group(group), table)
        found: dict[str, dict[str, Any]] = {}
        for partition in range(self.bank.partitions):
            for record in self.bank.read(topic, partition, 0):
                if record.value is not None:
                    row = plain(self.bank.registry, record.value)
                    found[row["jar_id"]] = row
        return found

    def expected(self) -> dict[str, dict[str, Any]]:
        """What must be in every jar: all that was ever sent."""
        return {
            jar: {"jar_id": jar, "coins": pence, "isbn": self.looked.get(jar, "")} for jar, pence in self.sent.items()
        }

    def is_exact(self) -> None:
        """Wait until the table has all of it; then see what the logs hold, and that nothing was done twice."""
        everything, some = self.expected(), next(iter(self.workers.values()))
        some.until(lambda: {row["jar_id"]: row for row in self.rows(some)} == everything, 60)
        assert self.held(TABLE, "jars") == self.held(RECEIVER, "state") == everything
        outcomes = sum(len(self.bank.ledger(partition)) for partition in range(self.bank.partitions))
        events = sum(len(self.bank.events(partition)) for partition in range(self.bank.partitions))
        assert (outcomes, events) == (self._count, self._count)

    def rows(self, worker: Running) -> list[dict[str, Any]]:
        """The rows that a worker tells of all partitions."""
        status, body = worker.get(f"/tables/{NAMESPACE}?page_size=1000")
        return body["rows"] if status == 200 and body["complete"] else []

    def stopped(self, name: str) -> dict[str, dict[str, str]]:
        """What a worker says of the partitions that stand still, by group."""
        listed = self.workers[name].get("/tables")[1]["tables"]
        return {table["name"]: table["stopped"] for table in listed}
