"""The sales file imported from this machine, while its containers are being killed, and what it came to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from producers.counting import count
from producers.demo.ledger import Ledger
from producers.demo.summary import PROCESS, TABLES, Line, Rows, compare
from producers.demo.tables import Tables
from producers.importer import Imported, import_sales
from producers.sales_lines import SalesLine, read_sales
from verbwire.client.base.connection import Connection
from verbwire.settings import Settings

FILE = Path(__file__).parents[2] / "producers" / "data" / "online_retail_2010-12.csv.gz"
CONTEXTS = ("shop.carts", "shop.orders", "shop.accounts")
_QUIET_SECONDS = 60.0  # without any change, until numbers that differ are told
_IMPORT_SECONDS = 900.0
_POLL_SECONDS = 0.2


class BrokenOff(Exception):  # noqa: N818 (a signal: somebody has pressed Ctrl-C)
    """The import was ended."""


class Import:
    """One import on a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._done: Imported | None = None
        self._error: BaseException | None = None
        self._ending = threading.Event()
        self._most = 0
        self._may_go_on = threading.Event()
        self.seen = Imported()
        self._thread = threading.Thread(target=self._run, name="import", daemon=True)

    def start(self, until: int) -> None:
        """Begin, and pause at so many commands: what is to happen meanwhile happens, however quick this machine is."""
        self._most = until
        self._thread.start()

    def go_on(self) -> None:
        """End the pause."""
        self._may_go_on.set()

    def wait_for(self, commands: int) -> None:
        """Return when so many commands are with the broker."""
        self._wait(lambda: self.seen.commands >= commands, f"{commands} commands")

    def finish(self) -> Imported:
        """Return what was imported, once all of it is."""
        self._wait(lambda: self._done is not None, "the import's end")
        assert self._done is not None
        return self._done

    def end(self) -> None:
        """Break it off where it is still under way."""
        self._ending.set()
        self._may_go_on.set()
        self._thread.join(30)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _IMPORT_SECONDS
        while not condition():
            if self._error is not None:
                raise self._error
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} not within {_IMPORT_SECONDS:.0f} s: {self.seen}")
            time.sleep(_POLL_SECONDS)

    def _run(self) -> None:
        try:
            self._done = import_sales(Connection.of_project(self._settings), read_sales(FILE), self._note)
        except BaseException as error:  # noqa: BLE001 (told to whoever waits)
            self._error = error

    def _note(self, _line: SalesLine | None, done: Imported) -> None:
        self.seen = done
        if done.commands >= self._most:
            self._may_go_on.wait()
        if self._ending.is_set():
            raise BrokenOff


@dataclass(frozen=True)
class Comparison:
    """Asks outcome logs, tables and receipts for their numbers, each time anew. `receipts` lists the files."""

    settings: Settings
    tables: Tables
    receipts: Callable[[], set[str]]

    def lines(self, imported: Imported) -> Sequence[Line]:
        """Return all numbers as soon as they agree, or once they do not change any more."""
        expected = count(FILE)
        with Ledger(Connection.of_project(self.settings), CONTEXTS) as ledger:
            last: list[Line] = []
            still_since = time.monotonic()
            while True:
                ledger.require_alive()
                if ledger.read_to_its_end() and (rows := self._rows()) is not None:
                    lines = compare(expected, imported, ledger, rows, self.receipts())
                    if all(line.agrees for line in lines):
                        return lines
                    if lines != last:
                        last, still_since = lines, time.monotonic()
                if time.monotonic() - still_since > _QUIET_SECONDS:
                    return last
                time.sleep(_POLL_SECONDS)

    def _rows(self) -> Rows | None:
        try:
            return {table: list(self.tables.rows(table)) for table in (*TABLES, PROCESS)}
        except OSError:  # ConnectionError among them: a worker that is just being made anew
            return None
