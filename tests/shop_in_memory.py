"""The whole shop without a broker: a queue stands for all topics, a dictionary for each table.

It runs the declarations as they are, one message at a time, and knows nothing of what they are about.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from verbwire import Accepted, Aggregate, Command, Event, Outcome, Process, Row, Table, Window
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Catalog
from verbwire.project import Project, load_project
from verbwire.settings import load_settings
from verbwire.testing import CONTEXT, Given

ROOT = Path(__file__).parents[1]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def catalog() -> Catalog:
    return load_catalog(ROOT / "schemas")


@cache
def project() -> Project:
    return load_project(load_settings(ROOT))


class Shop:
    """`send` a command and everything that comes of it happens before it returns."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)  # by the command's short name
        self.rows: dict[str, dict[Any, Row]] = defaultdict(dict)  # of each group, by key
        self._receivers = {each.namespace: each for each in project().aggregates}
        self._tables, self._processes = project().tables, project().processes
        self._queue: deque[tuple[Command, Process[Any] | None, Any]] = deque()

    def send(self, command: Command) -> None:
        self._queue.append((command, None, None))
        while self._queue:
            self._decide(*self._queue.popleft())

    def _decide(self, command: Command, sender: Process[Any] | None, undertaking: Any) -> None:
        receiver: Aggregate[Any] = self._receivers[command.__contract__.rpartition(".")[0]]
        states, key = self.rows[receiver.group], self._key(command)
        decided = Given(receiver, states.get(key)).when(command)
        self._keep(receiver.group, key, decided.after.state)
        self.outcomes[type(command).__name__][decided.rejected.code if decided.rejected else "accepted"] += 1
        for event in decided.events:
            self._publish(event)
        if sender is not None and type(command) in sender.outcomes:
            outcome: Outcome = decided.rejected or Accepted()
            self._lead(sender, sender.outcomes[type(command)], undertaking, outcome)

    def _publish(self, event: Event) -> None:
        for table in self._tables:
            if type(event) in table.handlers:
                self._fold(table, event)
        for process in self._processes:
            if type(event) in process.handlers:
                self._lead(process, process.handlers[type(event)], getattr(event, process.keys[type(event)]), event)

    def _fold(self, table: Table[Any], event: Event) -> None:
        keyed = table.keys.get(type(event))
        key = keyed.call_alone(event, lambda: CONTEXT) if keyed else self._key(event)
        if key is None:
            return
        if table.window is not None:
            key = (key, _start(table.window, getattr(event, catalog().of(event).time or "")))
        row = table.handlers[type(event)].call(self.rows[table.group].get(key), event, lambda: CONTEXT)
        self._keep(table.group, key, row)

    def _lead(self, process: Process[Any], handler: Any, undertaking: Any, heard: Event | Outcome) -> None:
        result = handler.call(self.rows[process.group].get(undertaking), heard, lambda: CONTEXT)
        state, *commands = result if isinstance(result, tuple) else (result,)
        self._keep(process.group, undertaking, state)
        self._queue.extend((command, process, undertaking) for command in commands)

    def _keep(self, group: str, key: Any, row: Row | None) -> None:
        if row is None:
            self.rows[group].pop(key, None)
        else:
            self.rows[group][key] = row

    def _key(self, message: Command | Event) -> Any:
        return getattr(message, catalog().of(message).key[0])


def _start(window: Window, moment: datetime) -> datetime:
    return EPOCH + (moment - EPOCH) // window.size * window.size
