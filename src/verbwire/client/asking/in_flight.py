"""The commands in flight: found by id, bounded in number, forgotten once their handle is no longer referenced."""

from __future__ import annotations

import threading
import time
from collections import deque

from verbwire.client.asking.pending_command import PendingCommand
from verbwire.errors import ClosedError, DeliveryError, VerbwireError
from verbwire.messages import Outcome
from verbwire.wire.records.outcomes import EventPosition

_SWEEP_SECONDS = 0.1


class InFlightCommands:
    """The pending commands of one client; for several threads. `lock` guards the commands, too."""

    def __init__(self, limit: int) -> None:
        self.lock = threading.Lock()
        self.any = threading.Event()  # set while something may be open
        self._room = threading.Condition(self.lock)
        self._limit = limit
        self._open: dict[bytes, tuple[PendingCommand, ...]] = {}
        self._count = 0
        self._closed = False
        self._given_up: deque[PendingCommand] = deque()

    def enter(self, pending: PendingCommand, seconds: float) -> None:
        """Add a pending command; waits for room, at most so many seconds, then :class:`DeliveryError`."""
        with self._room:
            self._sweep()
            end = time.monotonic() + seconds
            while self._count >= self._limit and not self._closed:
                left = end - time.monotonic()
                if left <= 0:
                    raise DeliveryError(
                        f"{pending.topic}: {self._limit} asked commands wait for their outcomes: is a worker up? "
                        "Wait for some of them or drop their handles; Connection.asks_in_flight is the limit"
                    )
                self._room.wait(min(left, _SWEEP_SECONDS))
                self._sweep()
            if self._closed:
                raise ClosedError("the client is closed: make a new one")
            id = pending.id.encode()
            self._open[id] = (*self._open.get(id, ()), pending)
            self._count += 1
            self.any.set()

    def of(self, id: bytes) -> tuple[PendingCommand, ...]:
        """Return the pending commands of an id: none for nearly all that other clients have sent."""
        return self._open.get(id, ())

    def all(self) -> list[PendingCommand]:
        """Return all that are open; :attr:`any` is cleared when there are none."""
        with self.lock:
            self._sweep()
            if not self._open:
                self.any.clear()
            return [pending for commands in self._open.values() for pending in commands]

    def __len__(self) -> int:
        with self.lock:
            self._sweep()
            return self._count

    def settle(
        self, pending: PendingCommand, answer: Outcome | VerbwireError, events: tuple[EventPosition, ...] = ()
    ) -> None:
        """Complete a pending command and remove it."""
        with self.lock:
            self._remove(pending)
            wakes = pending.answered(answer, events)
        for wake in wakes:
            wake()

    def leave(self, pending: PendingCommand) -> None:
        """Remove a pending command without an outcome."""
        with self.lock:
            self._remove(pending)

    def close(self) -> None:
        """Open no more, and fail what is open with :class:`ClosedError`."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        for pending in self.all():
            why = f"the client was closed before the outcome of {pending.id} came: resume its token"
            self.settle(pending, ClosedError(why))

    def give_up(self, pending: PendingCommand) -> None:
        """Close it soon. Takes no lock: the garbage collector calls, in any thread and at any moment."""
        self._given_up.append(pending)

    def _sweep(self) -> None:
        while self._given_up:
            self._remove(self._given_up.popleft())

    def _remove(self, pending: PendingCommand) -> None:
        id = pending.id.encode()
        before = self._open.get(id, ())
        after = tuple(each for each in before if each is not pending)
        if len(after) == len(before):
            return
        if after:
            self._open[id] = after
        else:
            del self._open[id]
        self._count -= 1
        self._room.notify()
