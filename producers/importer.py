"""Sends the lines of a sales file as commands: ``python -m producers.importer FILE``.

First all sales; then it waits until each is settled, so that what can be given back does not depend on timing; then the
credits. It may be broken off at any moment and run again: ids derive from the file, so what was sent already is
recognised by the receiver and has no second effect.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from producers.sales_lines import NotAddressable, Sales, SalesLine, ToSend, Unreadable, read_sales
from producers.settling import Orders, bought
from schemas.accounts import CreditBalance
from schemas.carts import AddProductToCart, CheckOutCart
from verbwire.client import Ack, Client, Connection, Principal
from verbwire.errors import VerbwireError

PRINCIPAL = Principal(actor="sales-importer", scopes=("carts:write", "accounts:write"))
WINDOW = 10_000  # commands that may wait for the broker's acknowledgement: what bounds the memory
_TELL_SECONDS = 2.0


@dataclass(slots=True)
class Imported:
    """Counts what was sent so far."""

    doing: str = "sending sales"
    lines: int = 0  # read while sending sales
    sent: Counter[str] = field(default_factory=Counter)  # acknowledged commands, by name
    unreadable: int = 0
    not_addressable: int = 0
    bought: int = 0  # check-outs that were accepted
    settled: int = 0  # orders of theirs that were confirmed or cancelled
    ends: dict[tuple[str, int], int] = field(default_factory=dict)  # (topic, partition) -> behind its last command

    @property
    def commands(self) -> int:
        """All acknowledged commands."""
        return self.sent.total()


Progress: TypeAlias = Callable[[SalesLine | None, Imported], None]
"""Hears of what was done so far: at every line, and with None again and again while waiting; may end it by raising."""


def _no_progress(_line: SalesLine | None, _done: Imported) -> None:
    """Ignore the progress."""


def import_sales(connection: Connection, sales: Sales, progress: Progress = _no_progress) -> Imported:
    """Send all sales, wait until they are settled, send all credits; return when the broker has every command.

    Waits for receivers as long as it takes. Raises :class:`verbwire.errors.DeliveryError` at the first command that the
    broker did not take: run it again.
    """
    done = Imported()
    with importing_client(connection) as client:
        send_sales(client, sales, done, progress)
        settle(client, connection, sales, done, progress)
        send_credits(client, sales, done, progress)
    return done


def importing_client(connection: Connection) -> Client:
    """Return a client that sends on the importer's own behalf."""
    # A cart's lines must not be overtaken by its check-out: after a lost command nothing may follow.
    kafka = {**connection.kafka, "enable.gapless.guarantee": True}
    return Client(replace(connection, principal=PRINCIPAL, kafka=kafka))


def send_sales(client: Client, sales: Sales, done: Imported, progress: Progress) -> None:
    """Send what was put into carts, and their check-outs, in order; return when the broker has them."""
    done.doing = "sending sales"
    sending = _Sending(client, done)
    for line in sales:
        match line:
            case ToSend(command=CheckOutCart()):
                sending.send(line)
                continue  # it follows from a line, and is none
            case ToSend(command=AddProductToCart()):
                sending.send(line)
            case Unreadable():
                done.unreadable += 1
            case NotAddressable():
                done.not_addressable += 1
        done.lines += 1
        progress(line, done)
    sending.finish()


def settle(client: Client, connection: Connection, sales: Sales, done: Imported, progress: Progress) -> None:
    """Wait until every cart is decided, and every order that came of one is confirmed or cancelled."""

    def deciding(accepted: int) -> None:
        done.bought = accepted
        progress(None, done)

    done.doing = "waiting for the check-outs' outcomes"
    done.bought = bought(client, sales, deciding)
    done.doing = "waiting for the orders to be confirmed; what hinders one is told by the state of shop.checkout"
    with Orders(connection, sales.prefix) as orders:
        while done.settled < done.bought:
            orders.look()
            done.settled = orders.settled
            progress(None, done)


def send_credits(client: Client, sales: Sales, done: Imported, progress: Progress) -> None:
    """Send every credit, in the order of the file; return when the broker has them."""
    done.doing = "sending credits"
    sending = _Sending(client, done)
    for line in sales:
        if isinstance(line, ToSend) and isinstance(line.command, CreditBalance):
            sending.send(line)
            progress(line, done)
    sending.finish()


class _Sending:
    """Sends in order, with so many commands under way that memory is bounded, and counts what the broker has."""

    def __init__(self, client: Client, done: Imported) -> None:
        self._client = client
        self._done = done
        self._waiting: deque[tuple[str, Ack]] = deque()

    def send(self, line: ToSend) -> None:
        """Send one command more."""
        self._waiting.append((type(line.command).__name__, self._client.send(line.command, id=line.id)))
        while len(self._waiting) > WINDOW or (self._waiting and self._waiting[0][1].done()):
            self._acknowledged(*self._waiting.popleft())

    def finish(self) -> None:
        """Wait until the broker has them all."""
        while self._waiting:
            self._acknowledged(*self._waiting.popleft())

    def _acknowledged(self, command: str, ack: Ack) -> None:
        topic, partition, offset = ack.result()
        self._done.sent[command] += 1
        self._done.ends[topic, partition] = max(self._done.ends.get((topic, partition), 0), offset + 1)


class _ProgressLines:
    """Prints unreadable lines at once and progress every other second, on standard error."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _TELL_SECONDS

    def __call__(self, line: SalesLine | None, done: Imported) -> None:
        if isinstance(line, Unreadable):
            print(f"line {line.line}: {line.why}", file=sys.stderr)
        if time.monotonic() >= self._next:
            self._next += _TELL_SECONDS
            print(f"{done.commands:,} commands; {done.doing} ({done.settled:,} of {done.bought:,})", file=sys.stderr)


def main() -> int:
    """Import one file and say what became of it; 0 when the broker has every command."""
    parser = argparse.ArgumentParser(description="Send the lines of a sales file as commands.")
    parser.add_argument("file", type=Path, help="CSV, plain or gzip; see producers/data/README.md")
    options = parser.parse_args()
    try:
        done = import_sales(Connection.of_project(), read_sales(options.file), _ProgressLines())
    except (VerbwireError, ValueError, OSError, EOFError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("broken off; run it again to go on: the ids stay the same, nothing happens twice", file=sys.stderr)
        return 130
    for command, number in sorted(done.sent.items()):
        print(f"{number:>9,} {command}")
    print(f"{done.settled:>9,} orders settled")
    print(f"{done.unreadable:>9,} lines unreadable")
    print(f"{done.not_addressable:>9,} credits without a customer, not addressable")
    return 0


if __name__ == "__main__":
    sys.exit(main())
