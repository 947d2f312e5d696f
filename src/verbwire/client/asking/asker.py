"""Asks commands: sends them, and completes their handles with the outcomes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from verbwire.client.asking.handle import CommandHandle
from verbwire.client.asking.in_flight import InFlightCommands
from verbwire.client.asking.pending_command import PendingCommand
from verbwire.client.asking.poller import OutcomePoller, PollDelays
from verbwire.client.asking.reply_listener import ReplyListener
from verbwire.client.asking.resolver import OutcomeResolver
from verbwire.client.base.completion import WouldWaitError
from verbwire.client.base.connection import Connection
from verbwire.client.base.positions import SeenPositions
from verbwire.client.producing.ack import Ack
from verbwire.client.producing.sender import Sender
from verbwire.errors import ClosedError, DeliveryError, WrongVerbError
from verbwire.messages import Command, Kind
from verbwire.names import scheduler_of
from verbwire.wire.headers import BARE, Envelope
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.scheduling import CANCEL

R = TypeVar("R")


class Asker:
    """Asks commands for one client; may be used by several threads. Starts to listen at the first one."""

    def __init__(self, connection: Connection, sender: Sender, patience: PollDelays | None = None) -> None:
        self.positions = SeenPositions()
        self._connection = connection
        self.sender = sender
        self._delays = patience or PollDelays()
        self._in_flight = InFlightCommands(connection.asks_in_flight)
        self._resolver = OutcomeResolver(sender.routes, self._in_flight, self.positions)
        self._lock = threading.Lock()
        self._listener: ReplyListener | None = None
        self._poller: OutcomePoller | None = None
        self._closed = False

    def ask(self, command: Command[R], envelope: Envelope = BARE, patient: bool = True) -> CommandHandle[R]:
        """Send a command and return its outcome-to-be; blocks while too many commands are in flight.

        Raises like `Client.ask`; :class:`WouldWaitError` where it would block and is not `patient`: then nothing of
        the command has been sent.
        """
        if not (patient or (self._listener is not None and self.sender.routes.knows(type(command)))):
            raise WouldWaitError
        outgoing = self.sender.encode(Kind.COMMAND, command, envelope)
        route = outgoing.route
        if route.contract.response == "none":
            raise WrongVerbError(f"{route.contract.short} has no outcome (its response is none): use send")
        partition = self.start()
        pending = PendingCommand(
            self._in_flight.lock,
            id=outgoing.id,
            command=route.contract.name,
            topic=route.topic,
            fingerprint=route.encoder.fingerprint(command),
        )
        pending.unique = envelope.id is None
        return self._handed_over(pending, lambda: self.sender.produce(outgoing, partition, patient), patient)

    def cancel(
        self, command: type[Command], key: bytes, command_id: str, envelope: Envelope = BARE
    ) -> CommandHandle[Any]:
        """Cancel a command that was sent for later, and return the outcome-to-be of that; raises like `Client.cancel`.

        It is asked of the scheduler as commands are of their receivers: there is a reply, and a log of outcomes.
        """
        route = self.sender.routes.later(command)
        partition = self.start()
        scheduler = scheduler_of(route.contract.namespace)
        pending = PendingCommand(
            self._in_flight.lock,
            id=self.sender.new_id(),
            command=f"{scheduler}.{CANCEL}",
            topic=self.sender.routes.require_scheduled(route),
            fingerprint=b"",
        )
        pending.unique = True
        return self._handed_over(
            pending, lambda: self.sender.cancel(route, key, command_id, pending.id, envelope, partition), patient=True
        )

    def resume(self, token: str) -> CommandHandle[Any]:
        """Return the outcome-to-be of a command asked before, perhaps by another process.

        :class:`UndecodableError` when it is no token, :class:`ContractError` when its command is none of this project.
        """
        place = OutcomeToken.decode(token)
        contract = self._connection.catalog.find(place.command)
        pending = PendingCommand(
            self._in_flight.lock,
            id=place.id,
            command=contract.name,
            topic=self._connection.names.commands(contract.namespace),
            fingerprint=place.fingerprint,
        )
        pending.read_again()
        pending.placed(place, time.monotonic())
        self._start_poller()
        self._in_flight.enter(pending, self._connection.delivery_seconds)
        return CommandHandle(self._in_flight, pending)

    def start(self) -> int:
        """Be ready to hear replies, and return the partition they are to come to; done by the first `ask`.

        :class:`UnavailableError` when broker or registry are silent, :class:`ContractError` when there is no topic.
        """
        if self._listener is None:
            with self._lock:
                self._require_open()
                if self._listener is None:
                    listener = ReplyListener(self._connection, self._resolver.take)
                    listener.start()
                    self._listener = listener
            self._start_poller()
        return self._listener.partition

    def waits_for(self, partition: int, id: bytes) -> bool:
        """Whether replies to this id that are sent to this partition are for this client."""
        listener = self._listener
        return listener is not None and listener.partition == partition and bool(self._in_flight.of(id))

    def take(self, id: bytes, value: bytes) -> None:
        """Take a reply that has come another way: from a receiver in the same process."""
        self._resolver.take(id, value)

    def close(self) -> None:
        """Stop listening; what is still waited for fails with :class:`ClosedError`. Closing twice is fine."""
        with self._lock:
            self.abandon()
            for thread in self._threads():
                thread.join()
        self._in_flight.close()

    def abandon(self) -> None:
        """Stop the threads of an owner that is gone without closing."""
        self._closed = True
        for thread in self._threads():
            thread.stop()

    def _handed_over(self, pending: PendingCommand, produce: Callable[[], Ack], patient: bool) -> CommandHandle[Any]:
        self._enter(pending, patient)
        try:
            ack = produce()
        except BaseException:
            self._in_flight.leave(pending)
            raise
        self.sender.producer.bypass_linger(ack)
        pending.ack = ack
        ack.when_done(partial(self._acknowledged, pending, ack))
        return CommandHandle(self._in_flight, pending)

    def _enter(self, pending: PendingCommand, patient: bool) -> None:
        try:
            self._in_flight.enter(pending, self._connection.delivery_seconds if patient else 0.0)
        except DeliveryError:
            if patient:
                raise
            raise WouldWaitError from None

    def _start_poller(self) -> None:
        with self._lock:
            self._require_open()
            if self._poller is None:
                self._poller = OutcomePoller(self._connection, self._in_flight, self._resolver.take, self._delays)
                self._poller.start()

    def _threads(self) -> list[ReplyListener | OutcomePoller]:
        return [thread for thread in (self._listener, self._poller) if thread is not None]

    def _require_open(self) -> None:
        self.sender.producer.require_open()
        if self._closed:
            raise ClosedError("the client is closed: make a new one")

    def _acknowledged(self, pending: PendingCommand, ack: Ack) -> None:
        if ack.error is not None:
            return self._in_flight.settle(pending, ack.error)
        place = ack.result(0)
        token = OutcomeToken(
            command=pending.command,
            partition=place.partition,
            offset=place.offset,
            timestamp=ack.timestamp,
            id=pending.id,
            fingerprint=pending.fingerprint,
        )
        return self._resolver.placed(pending, token, time.monotonic() + self._delays.reply)
