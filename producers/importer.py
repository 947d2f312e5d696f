"""Sends the lines of a sales file as commands: ``python -m producers.importer FILE``.

It may be broken off at any moment and run again: ids derive from the file, so what was sent already is recognised by
the receiver and has no second effect.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from producers.sales_lines import Credit, NotAddressable, SalesLine, ToSend, Unreadable, read_sales
from verbwire.errors import VerbwireError
from verbwire.sdk.ack import Ack
from verbwire.sdk.client import Client
from verbwire.sdk.connection import Connection, Identity

IDENTITY = Identity(actor="sales-importer", scopes=("carts:write",))
WINDOW = 10_000  # commands that may wait for the broker's acknowledgement: what bounds the memory
_TELL_SECONDS = 2.0


@dataclass(slots=True)
class Imported:
    """What was done so far."""

    sent: Counter[str] = field(default_factory=Counter)  # acknowledged commands, by name
    unreadable: int = 0
    credits: int = 0  # not imported yet: there are no accounts
    not_addressable: int = 0
    ends: dict[tuple[str, int], int] = field(default_factory=dict)  # (topic, partition) -> behind its last command

    @property
    def commands(self) -> int:
        """All acknowledged commands."""
        return self.sent.total()


def import_sales(
    client: Client, lines: Iterable[SalesLine], progress: Callable[[SalesLine, Imported], None] = lambda *_: None
) -> Imported:
    """Send every command in order and wait until the broker has them all; `progress` hears of each line.

    Raises :class:`verbwire.errors.DeliveryError` at the first command that the broker did not take: run it again.
    """
    done = Imported()
    waiting: deque[tuple[str, Ack]] = deque()
    for line in lines:
        match line:
            case ToSend(id=name, command=command):
                waiting.append((type(command).__name__, client.send(command, id=name)))
            case Unreadable():
                done.unreadable += 1
            case Credit():
                done.credits += 1
            case NotAddressable():
                done.not_addressable += 1
        while len(waiting) > WINDOW or (waiting and waiting[0][1].done()):
            _acknowledged(done, *waiting.popleft())
        progress(line, done)
    while waiting:
        _acknowledged(done, *waiting.popleft())
    return done


def importing_client(connection: Connection | None = None) -> Client:
    """Return a client that sends on the importer's own behalf; by default to the cluster that the settings name."""
    connection = connection or Connection.of_project()
    # A cart's lines must not be overtaken by its check-out: after a lost command nothing may follow.
    kafka = {**connection.kafka, "enable.gapless.guarantee": True}
    return Client(replace(connection, identity=IDENTITY, kafka=kafka))


def _acknowledged(done: Imported, command: str, ack: Ack) -> None:
    topic, partition, offset = ack.result()
    done.sent[command] += 1
    done.ends[topic, partition] = max(done.ends.get((topic, partition), 0), offset + 1)


class _Teller:
    """Tells of unreadable lines at once and of the rest every other second, on standard error."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _TELL_SECONDS

    def __call__(self, line: SalesLine, done: Imported) -> None:
        if isinstance(line, Unreadable):
            print(f"line {line.line}: {line.why}", file=sys.stderr)
        if time.monotonic() >= self._next:
            self._next += _TELL_SECONDS
            print(f"{done.commands:,} commands", file=sys.stderr)


def main() -> int:
    """Import one file and say what became of it; 0 when the broker has every command."""
    parser = argparse.ArgumentParser(description="Send the lines of a sales file as commands.")
    parser.add_argument("file", type=Path, help="CSV, plain or gzip; see producers/data/README.md")
    options = parser.parse_args()
    try:
        with importing_client() as client:
            done = import_sales(client, read_sales(options.file), _Teller())
    except (VerbwireError, ValueError, OSError, EOFError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("broken off; run it again to go on: the ids stay the same, nothing happens twice", file=sys.stderr)
        return 130
    for command, number in sorted(done.sent.items()):
        print(f"{number:>9,} {command}")
    print(f"{done.unreadable:>9,} lines unreadable")
    print(f"{done.credits:>9,} credits, not imported yet")
    print(f"{done.not_addressable:>9,} credits without a customer, not addressable")
    return 0


if __name__ == "__main__":
    sys.exit(main())
