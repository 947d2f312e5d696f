"""A command whose caller waits for its outcome, and which record of an outcome log is that outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from verbwire.client.base.completion import Completion, Wake
from verbwire.client.producing.ack import Ack
from verbwire.errors import VerbwireError
from verbwire.messages import FORBIDDEN, ID_REUSED, Outcome, Rejected
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.records.outcomes import EventPosition, OutcomeRecord, OutcomeStatus

_NOT_REMEMBERED = (OutcomeStatus.FAILED, OutcomeStatus.EXPIRED)  # the receiver takes the same id again after these
_MAX_EARLY_RECORDS = 8


class PendingCommand(Completion):
    """What was asked, and in the end its answer: an outcome, or the error for which there will be none.

    In the :class:`~verbwire.client.asking.in_flight.InFlightCommands` for as long as its handle exists. The
    token is known once the broker has taken the command.
    """

    __slots__ = (
        "_lock",
        "_wakes",
        "ack",
        "answer",
        "asked_at",
        "command",
        "due_at",
        "early_records",
        "events",
        "fingerprint",
        "id",
        "looked_back",
        "read_since",
        "reader",
        "token",
        "topic",
        "unique",
    )

    def __init__(self, lock: threading.Lock, *, id: str, command: str, topic: str, fingerprint: bytes) -> None:
        self._lock = lock
        self._wakes = None
        self.id = id
        self.command = command  # full name of its contract
        self.topic = topic
        self.fingerprint = fingerprint
        self.ack: Ack | None = None
        self.token: OutcomeToken | None = None
        self.early_records: list[OutcomeRecord] = []  # records that came before the acknowledgement
        self.answer: Outcome | VerbwireError | None = None
        self.events: tuple[EventPosition, ...] = ()
        # For the outcome poller:
        self.asked_at = time.monotonic()
        self.due_at: float | None = None  # when the outcome poller reads the log
        self.unique = False  # whether no older command can have the same id
        self.reader: object | None = None  # the tail that reads the log from early enough on
        self.read_since = 0.0
        self.looked_back = False

    def done(self) -> bool:
        """Whether the answer is there."""
        return self.answer is not None

    def answered(self, answer: Outcome | VerbwireError, events: tuple[EventPosition, ...] = ()) -> list[Wake]:
        """Take the answer, and return whom to wake; the first one counts. Called with the shared lock held."""
        if self.answer is not None:
            return []
        self.events = events
        self.answer = answer
        self.early_records = []
        return self._settled()

    def is_due(self, now: float) -> bool:
        """Whether no reply came for so long that the outcome log is to be read."""
        return self.due_at is not None and self.due_at <= now and self.answer is None

    def read_again(self) -> None:
        """Have the outcome poller read the log again, from the position of the command."""
        self.reader, self.asked_at = None, float("-inf")

    def keep(self, line: OutcomeRecord) -> OutcomeToken | None:
        """Keep an outcome record that came before the acknowledgement; returns the token if that has come meanwhile."""
        with self._lock:
            if self.token is None and len(self.early_records) < _MAX_EARLY_RECORDS:
                self.early_records.append(line)
            return self.token

    def placed(self, token: OutcomeToken, due_at: float) -> list[OutcomeRecord]:
        """Set the position of the command, and return the outcome records that came before it was known."""
        with self._lock:
            self.token, self.due_at = token, due_at
            early_records, self.early_records = self.early_records, []
            return early_records


def outcome_for(token: OutcomeToken, line: OutcomeRecord, typed: Callable[[OutcomeRecord], Outcome]) -> Outcome | None:
    """Return what a line says of the command of that token; None when it speaks of another.

    Ids are unique within one receiver at best, and one that failed or expired may be tried again: the place decides.
    A line of an earlier place answers a repetition, or tells that its id had named something else.
    """
    if (line.command_id, line.command.rpartition(".")[0], line.partition) != (
        token.id,
        token.namespace,
        token.partition,
    ):
        return None
    if line.offset == token.offset:
        return typed(line)
    if line.status in _NOT_REMEMBERED or line.code == FORBIDDEN:  # that one was not allowed, which says nothing of ours
        return None
    if line.fingerprint == token.fingerprint:
        return typed(line)
    if line.offset < token.offset:
        return Rejected(ID_REUSED, f"{token.id} has named another payload: give every command an id of its own")
    return None
