"""``python -m producers.demo``: run it all, compare, stay."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from producers.counting import count
from producers.demo.ledger import Ledger
from producers.demo.screen import Screen
from producers.demo.summary import compare, shown
from producers.demo.tables import Tables
from producers.demo.workers import Workers, deploy
from producers.importer import Imported, import_sales, importing_client
from producers.sales_lines import SalesLine, read_sales
from verbwire.embedded import Stack, running_stack
from verbwire.errors import StackError, VerbwireError
from verbwire.sdk.connection import Connection
from verbwire.settings import EMBEDDED, Settings, load_settings

FILE = Path(__file__).parents[1] / "data" / "online_retail_2010-12.csv.gz"
RECEIVER, TABLE = "shop.carts.aggregate", "shop.carts"
NAMESPACE = "shop.carts"
STALLED_SECONDS = 60.0
_POLL_SECONDS = 0.1
_ROWS_SECONDS = 1.0


class Demo:
    """One run, once cluster and workers are up: import, wait, compare."""

    def __init__(self, console: Console, workers: Workers, ledger: Ledger) -> None:
        self._console = console
        self._workers = workers
        self._ledger = ledger
        self._screen = Screen(console)
        self._look_at_rows = 0.0
        self._before = 0

    def run(self, file: Path) -> bool:
        """Import the file and say whether every number is right."""
        self._wait(self._ledger.read_to_its_end, "the ledger of earlier runs to be read")
        self._before = self._ledger.count
        self._screen.numbers.earlier = (self._before, self._ledger.events.total())
        if self._before:
            self._console.print(
                f"The ledger holds {self._before:,} outcomes of earlier runs: the same ids are sent again, "
                "and the receiver answers them from memory.",
                soft_wrap=True,
            )
        with self._screen, importing_client() as client:
            imported = import_sales(client, read_sales(file), self._seen)
            self._screen.numbers.commands = imported.commands
            self._wait(lambda: self._ledger.count >= imported.commands, "an outcome for every command")
            self._wait(lambda: self._applied("consumers", RECEIVER, imported.ends), "the receiver to be through")
            self._wait(lambda: self._applied("streams", TABLE, self._ledger.ends), "the table to catch up")
        return self._compare(file, imported)

    def _seen(self, _: SalesLine, imported: Imported) -> None:
        numbers = self._screen.numbers
        numbers.lines += 1
        if self._screen.due():
            numbers.commands = imported.commands
            self._refresh()

    def _refresh(self) -> None:
        self._workers.require_alive()
        self._ledger.require_alive()
        numbers, now = self._screen.numbers, time.monotonic()
        numbers.outcomes = dict(self._ledger.outcomes)
        numbers.events = self._ledger.events.total()
        if now >= self._look_at_rows:
            self._look_at_rows = now + _ROWS_SECONDS
            numbers.rows = self._workers.tables["streams"].count(TABLE)
        self._screen.show()

    def _applied(self, folder: str, table: str, ends: dict[tuple[str, int], int]) -> bool:
        positions = self._workers.tables[folder].positions(table)
        return all(positions.get(place, 0) >= end for place, end in list(ends.items()))

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        """Until it is true; fails when nothing has moved for a while."""
        moved, until = None, 0.0
        while not condition():
            self._refresh_if_due()
            state = (self._ledger.count, self._screen.numbers.rows)
            if state != moved:
                moved, until = state, time.monotonic() + STALLED_SECONDS
            elif time.monotonic() > until:
                raise StackError(
                    f"waited for {what}, and nothing has moved for {STALLED_SECONDS:.0f} s "
                    f"({self._ledger.count:,} outcomes): see the workers' logs in .verbwire/logs"
                )
            time.sleep(_POLL_SECONDS)

    def _refresh_if_due(self) -> None:
        self._ledger.require_alive()
        self._workers.require_alive()
        if self._screen.due():
            self._refresh()

    def _compare(self, file: Path, imported: Imported) -> bool:
        rows = self._workers.tables["streams"].rows(TABLE)
        lines = compare(count(file), imported, self._ledger, rows)
        self._console.print(shown(lines))
        wrong = [line.name for line in lines if not line.agrees]
        if wrong:
            self._console.print(
                f"These numbers differ: {'; '.join(wrong)}. If other carts were sent to this cluster, or the last run "
                "is more than a week ago, `make clean` starts afresh.",
                style="bold red",
            )
        elif self._before >= imported.commands:
            self._console.print(
                "Every command had its outcome already: nothing happened twice, no number changed.", soft_wrap=True
            )
        else:
            self._console.print("All agree: each command has one outcome, each event is in the table once.")
        return not wrong


def main() -> int:
    """Run the demo; 0 when every number agrees (also after Ctrl-C at its end), 1 when not, 130 when broken off."""
    parser = argparse.ArgumentParser(prog="python -m producers.demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end after the summary instead of staying until Ctrl-C")
    parser.add_argument("--file", type=Path, default=FILE, help="another sales file; default: the packed one")
    options = parser.parse_args()
    console = Console(highlight=False)
    # A SIGTERM ends it as a Ctrl-C does: by the same clean way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(console, load_settings(), options.file, options.exit)
    except KeyboardInterrupt:
        return _broken_off(console)
    except (VerbwireError, OSError, EOFError, ValueError) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1


def run(console: Console, settings: Settings, file: Path, leave: bool) -> int:
    """Bring everything up, import, compare, stay; and down again, in the opposite order."""
    with ExitStack() as stack:
        if settings.bootstrap == EMBEDDED and not running_stack(settings.stack_folder):
            stack.enter_context(Stack(settings.stack_folder))
        console.print(deploy(settings), markup=False)
        workers = stack.enter_context(Workers(settings))
        console.print("Starting two workers: one decides commands, one keeps the table.")
        workers.wait_until_ready()
        ledger = stack.enter_context(Ledger(Connection.of_project(settings), NAMESPACE))
        # Caught here, so that nothing the import held is left when Kafka stops.
        try:
            good = Demo(console, workers, ledger).run(file)
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
    return [
        "\nWorth trying in another terminal:\n",
        f"TOKEN={tables.token}",
        f"{curl} {tables.url}/tables/carts/536365",
        f"{curl} '{tables.url}/tables/carts?page=2&page_size=5'",
        f"{curl} {tables.url}/tables",
        f"curl -s {tables.url}/health/ready",
        "\nEverything stays up until Ctrl-C.",
    ]


if __name__ == "__main__":
    sys.exit(main())
