"""The contexts of handlers with side effects: the facts of the record, and ways to send messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from verbwire.declarations.context import Context
from verbwire.errors import Requeue, WrongVerbError
from verbwire.messages import Command, Event


class Outbox(Protocol):
    """Where the messages of one handler's run go."""

    def send(self, command: Command, ttl: float | None = None) -> None: ...  # noqa: D102
    def publish(self, event: Event) -> None: ...  # noqa: D102


@runtime_checkable
class LaterOutbox(Outbox, Protocol):
    """One that takes commands for later, too."""

    def send_later(  # noqa: D102
        self, command: Command, at: datetime | None, after: timedelta | None, ttl: float | None = None
    ) -> None: ...


class JobRun(Protocol):
    """One run of a job's handler, as the worker sees it."""

    @property
    def stopping(self) -> bool: ...  # noqa: D102
    def progress(self, done: float, total: float, note: str) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class SubscriberContext(Context):
    """The context of a subscriber's handler: the facts of its record, and ways to send messages because of it.

    Hand `idempotency_key` to whatever is called outside Kafka: it is the same after a crash, a retry, a redelivery,
    and another for each group that subscribes to the same event.
    """

    idempotency_key: str
    attempt: int  # 1 at first; of this worker, since it took the record in hand
    outbox: Outbox = field(repr=False, compare=False)

    def send(
        self,
        command: Command,
        *,
        ttl: float | None = None,
        at: datetime | None = None,
        after: timedelta | None = None,
    ) -> None:
        """Send a command on behalf of this group (its name is the actor).

        With a `ttl` it is not carried out later than so many seconds after the broker has it.

        It is delivered later where `at` says when, or `after` how long from now; see :meth:`verbwire.Client.send`.

        The record counts as handled only when the broker has the command. Its id derives from the record, the handler
        and how many were sent before: a repeat is the same command, as long as the handler sends the same in the same
        order.
        """
        if at is None and after is None:
            self.outbox.send(command, ttl)
        elif isinstance(self.outbox, LaterOutbox):
            self.outbox.send_later(command, at, after, ttl)
        else:
            raise WrongVerbError(f"{type(self.outbox).__name__} takes no commands for later: give it `send_later`")

    def publish(self, event: Event) -> None:
        """Publish an event; guarantees as in :meth:`send`. Subscribers may receive it twice, under the same id."""
        self.outbox.publish(event)


@dataclass(frozen=True, slots=True)
class JobContext(SubscriberContext):
    """The context of a job's handler, which may run for minutes and therefore checks `stopping` now and then."""

    run: JobRun = field(repr=False, compare=False)

    @property
    def stopping(self) -> bool:
        """Whether this worker ends, or has to give the command to another: finish within seconds, or requeue it."""
        return self.run.stopping

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Say how far it is: shown by ``GET /jobs`` and the metrics, and logged now and then."""
        self.run.progress(done, total, note)

    def requeue(self) -> Requeue:
        """Return the signal to raise in order to leave the command undone: another worker begins it again.

        ::

            if context.stopping:
                raise context.requeue()
        """
        return Requeue(f"{self.id} is requeued")
