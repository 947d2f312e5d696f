"""``python -m producers.demo``: run it all, compare, stay."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from producers.counting import Expected, count
from producers.demo.ledger import Ledger
from producers.demo.screen import Screen
from producers.demo.summary import PROCESS, TABLES, Line, Rows, compare, shown
from producers.demo.tables import Tables
from producers.demo.unpaid import place_unpaid
from producers.demo.workers import Workers, deploy
from producers.importer import Imported, import_sales
from producers.sales_lines import SalesLine, read_sales
from verbwire.client import Connection
from verbwire.embedded import Stack, running_stack
from verbwire.errors import StackError, VerbwireError
from verbwire.project import EMBEDDED, Settings, load_settings

FILE = Path(__file__).parents[1] / "data" / "online_retail_2010-12.csv.gz"
CONTEXTS = ("shop.carts", "shop.orders", "shop.accounts")
STALLED_SECONDS = 60.0  # without any movement while the import waits
PATIENCE_SECONDS = 15.0  # without any movement after it, until numbers that differ are told
_PYTHON = ".venv/bin/python"
_POLL_SECONDS = 0.1
_ROWS_SECONDS = 1.0


class Stillness:
    """Tells when nothing has changed for some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._state: object = None
        self._until = time.monotonic() + seconds

    def __call__(self, state: object) -> bool:
        """Whether the state is still the same, and has been for so long."""
        now = time.monotonic()
        if state != self._state:
            self._state, self._until = state, now + self._seconds
        return now > self._until


class Demo:
    """One run, once cluster and workers are up: import, wait, compare."""

    def __init__(self, console: Console, settings: Settings, workers: Workers, ledger: Ledger, patience: float) -> None:
        self._console = console
        self._settings = settings
        self._workers = workers
        self._ledger = ledger
        self._screen = Screen(console)
        self._look_at_rows = 0.0
        self._before = 0
        self._patience = patience
        self._stalled = Stillness(STALLED_SECONDS)

    def run(self, file: Path) -> bool:
        """Import the file and say whether every number is right."""
        while not self._ledger.read_to_its_end():
            self._require_moving()
            time.sleep(_POLL_SECONDS)
        self._before = self._ledger.count
        self._screen.numbers.earlier = (self._before, self._ledger.events.total())
        if self._before:
            self._console.print(
                f"The ledgers hold {self._before:,} outcomes of earlier runs: the same ids are sent again, "
                "and the receivers answer them from memory.",
                soft_wrap=True,
            )
        expected = count(file)
        with self._screen:
            imported = import_sales(Connection.of_project(self._settings), read_sales(file), self._seen)
            place_unpaid(Connection.of_project(self._settings), expected)
            lines = self._agreement(expected, imported)
        return self._tell(lines, imported)

    def _seen(self, line: SalesLine | None, imported: Imported) -> None:
        if line is None:
            self._require_moving()
        if self._screen.due():
            self._refresh(imported)

    def _refresh(self, imported: Imported) -> None:
        self._workers.require_alive()
        self._ledger.require_alive()
        numbers, now = self._screen.numbers, time.monotonic()
        numbers.doing = imported.doing.partition(";")[0]
        numbers.lines, numbers.commands = imported.lines, imported.commands
        numbers.outcomes = dict(self._ledger.words)
        numbers.events = self._ledger.events.total()
        if now >= self._look_at_rows:
            self._look_at_rows = now + _ROWS_SECONDS
            numbers.rows = {table: self._workers.tables["streams"].count(table) for table in TABLES}
        self._screen.show()

    def _require_moving(self) -> None:
        """Raise :class:`StackError` when somebody waits and nothing has moved for a while."""
        self._ledger.require_alive()
        self._workers.require_alive()
        if self._stalled((self._ledger.count, dict(self._screen.numbers.rows))):
            raise StackError(
                f"nothing has moved for {STALLED_SECONDS:.0f} s ({self._ledger.count:,} outcomes, "
                f"{self._screen.numbers.doing}): see the workers' logs in .verbwire/logs"
            )

    def _agreement(self, expected: Expected, imported: Imported) -> list[Line]:
        """Compare until all agree, or until nothing moves any more: tables and receipts follow in their own time."""
        imported.doing = "comparing"
        quiet = Stillness(self._patience)
        while True:
            rows = self._rows()
            if rows is None:
                self._require_moving()
            else:
                lines = compare(expected, imported, self._ledger, rows, self._receipts())
                if all(line.agrees for line in lines) or quiet(lines):
                    return lines
            self._refresh(imported)
            time.sleep(_POLL_SECONDS)

    def _rows(self) -> Rows | None:
        """What the tables hold; None while one of them cannot say."""
        tables = self._workers.tables
        try:
            found = {table: list(tables["streams"].rows(table)) for table in TABLES}
            return {**found, PROCESS: list(tables["consumers"].rows(PROCESS))}
        except ConnectionError:
            return None

    def _receipts(self) -> set[str]:
        return {file.stem for file in (self._settings.data_folder / "receipts").glob("*.txt")}

    def _tell(self, lines: list[Line], imported: Imported) -> bool:
        self._console.print(shown(lines))
        wrong = [line.name.strip() for line in lines if not line.agrees]
        if wrong:
            self._console.print(
                f"These numbers differ: {'; '.join(wrong)}. If others have sent commands to this cluster, or the last "
                "run is more than a week ago, `make clean` starts afresh.",
                style="bold red",
            )
        elif self._before >= imported.commands:
            self._console.print(
                "Every command had its outcome already: nothing happened twice, no number changed.", soft_wrap=True
            )
        else:
            self._console.print("All agree: each command has one outcome, each event is in each table once.")
        return not wrong


def main() -> int:
    """Run the demo; 0 when every number agrees (also after Ctrl-C at its end), 1 when not, 130 when broken off."""
    parser = argparse.ArgumentParser(prog="python -m producers.demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end after the summary instead of staying until Ctrl-C")
    parser.add_argument("--file", type=Path, default=FILE, help="another sales file; default: the packed one")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help="how long nothing may move before numbers that differ are told",
    )
    options = parser.parse_args()
    console = Console(highlight=False)
    # A SIGTERM ends it as a Ctrl-C does: by the same clean way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(console, load_settings(), options.file, options.exit, options.patience)
    except KeyboardInterrupt:
        return _broken_off(console)
    except (VerbwireError, OSError, EOFError, ValueError) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1


def run(console: Console, settings: Settings, file: Path, leave: bool, patience: float) -> int:
    """Bring everything up, import, compare, stay; and down again, in the opposite order."""
    with ExitStack() as stack:
        if settings.bootstrap == EMBEDDED and not running_stack(settings.stack_folder):
            stack.enter_context(Stack(settings.stack_folder))
        console.print(deploy(settings), markup=False)
        workers = stack.enter_context(Workers(settings))
        console.print("Starting two workers: one for receivers, checkout and receipts, one for the tables.")
        workers.wait_until_ready()
        ledger = stack.enter_context(Ledger(Connection.of_project(settings), CONTEXTS))
        # Caught here, so that nothing the import held is left when Kafka stops.
        try:
            good = Demo(console, settings, workers, ledger, patience).run(file)
        except KeyboardInterrupt:
            return _broken_off(console)
        if not leave:
            _stay(console, workers)
        return 0 if good else 1


def _broken_off(console: Console) -> int:
    console.print("Broken off; `make demo` goes on where it stopped.")
    return 130


def _stay(console: Console, workers: Workers) -> None:
    try:
        for line in _worth_trying(workers.tables["streams"]):
            console.print(line, soft_wrap=True, markup=False)
        while True:
            workers.require_alive()
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        console.print("Stopping the workers, then Kafka and the registry.")


def _worth_trying(tables: Tables) -> list[str]:
    curl = 'curl -s -H "Authorization: Bearer $TOKEN"'
    order = '{"order_id": "web-1", "country": "EIRE", "total_pence": 1250, "placed_at": "2010-12-20T18:00:00Z"}'
    return [
        f"\nThe console: {tables.url}/console, in a browser; it asks for the token that stands here.",
        "\nWorth trying in another terminal:\n",
        f"TOKEN={tables.token}",
        f"{curl} {tables.url}/tables/carts/536365",
        f"{curl} '{tables.url}/queries/GetOrder?order_id=536365'",
        f"{curl} '{tables.url}/queries/FindOrders?search=eire&page_size=3'",
        f"{curl} '{tables.url}/queries/SalesPerMinute?country=EIRE&page_size=3'",
        f"{curl} -H 'Content-Type: application/json' -d '{order}' {tables.url}/commands/PlaceOrder",
        f"{curl} {tables.url}/tables",
        f"curl -s {tables.url}/health/ready",
        f"{_PYTHON} -m producers.till order till-1 --total 12.50 --country EIRE",
        f"{_PYTHON} -m producers.till find --search eire",
        f"{_PYTHON} -m producers.till report december 2010-12-01 2011-01-01",
        "\n(Orders of yours are among the numbers of the next run, which then says that they differ from the file's.)",
        "Everything stays up until Ctrl-C.",
    ]


if __name__ == "__main__":
    sys.exit(main())
