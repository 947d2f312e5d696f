"""What `ask` returns: the outcome-to-be of one command."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic

from verbwire.client.asking.in_flight import InFlightCommands
from verbwire.client.asking.pending_command import PendingCommand
from verbwire.client.producing.ack import Ack, Position
from verbwire.errors import OutcomeUnknownError, VerbwireError
from verbwire.messages import Outcome, R_co


class CommandHandle(Generic[R_co]):
    """The outcome-to-be of one command that was asked.

    ``pending.result(timeout)`` waits in any thread, ``await pending`` in any running loop; both give the
    :data:`~verbwire.messages.Outcome`. :class:`DeliveryError` when the broker did not take the command,
    :class:`ClosedError` when the client was closed meanwhile. One that is no longer referenced is forgotten.
    """

    __slots__ = ("_in_flight", "_pending")

    def __init__(self, in_flight: InFlightCommands, pending: PendingCommand) -> None:
        self._in_flight = in_flight
        self._pending = pending

    def __del__(self) -> None:
        if not self._pending.done():
            self._in_flight.give_up(self._pending)

    @property
    def id(self) -> str:
        """The command's id."""
        return self._pending.id

    @property
    def command(self) -> str:
        """The full name of the command's contract."""
        return self._pending.command

    @property
    def fingerprint(self) -> bytes:
        """The fingerprint of its payload, as in the outcome log."""
        return self._pending.fingerprint

    @property
    def ack(self) -> Ack | None:
        """The broker's acknowledgement of the command; None where it was given to another process."""
        return self._pending.ack

    @property
    def position(self) -> Position | None:
        """Where the command lies; None until the broker has acknowledged it."""
        token = self._pending.token
        return None if token is None else Position(self._pending.topic, token.partition, token.offset)

    @property
    def token(self) -> str | None:
        """What `resume` takes, in any process; None until the broker has acknowledged the command."""
        token = self._pending.token
        return None if token is None else token.encode()

    @property
    def events(self) -> tuple[Position, ...]:
        """Where the command's events lie; empty until the outcome is there."""
        return tuple(Position(each.topic, each.partition, each.offset) for each in self._pending.events)

    def done(self) -> bool:
        """Whether the outcome is there, or there will be none."""
        return self._pending.done()

    def result(self, timeout: float | None = None) -> Outcome[R_co]:
        """Wait for the outcome, at most `timeout` seconds (None: as long as it takes).

        :class:`OutcomeUnknownError` when it has not come by then: wait again, or resume its token elsewhere.
        """
        if not self._pending.wait(timeout):
            raise OutcomeUnknownError(self.command, self.id, self.token, timeout)
        return self._take()

    def __await__(self) -> Generator[Any, None, Outcome[R_co]]:
        yield from self._pending.arrival()
        return self._take()

    def _take(self) -> Outcome[R_co]:
        pending = self._pending
        answer = pending.answer
        if isinstance(answer, VerbwireError):
            if pending.ack is not None and pending.ack.error is answer:
                pending.ack.result(0)  # raises, and counts as seen
            raise answer
        assert answer is not None  # noqa: S101 (it is done)
        return answer
