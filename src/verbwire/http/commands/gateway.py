"""Sends commands of HTTP to Kafka, where every command goes, on behalf of the request's principal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress

from verbwire.client.asking.asker import Asker
from verbwire.client.asking.handle import CommandHandle
from verbwire.client.base.completion import WouldWaitError
from verbwire.client.base.connection import Connection
from verbwire.client.producing.ack import Ack
from verbwire.client.producing.sender import Sender
from verbwire.errors import DeliveryError
from verbwire.messages import Command, Kind
from verbwire.serial_executor import SerialExecutor
from verbwire.wire.headers import Envelope

_CLOSE_SECONDS = 2.0
log = logging.getLogger("verbwire.http")


class Gateway:
    """The client of a worker's HTTP. Its methods may block for seconds: call them off the loop, or not `patient`.

    Then those that have it raise :class:`WouldWaitError`, and have done nothing, where they would block.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._asker: Asker | None = None
        self._nearby = SerialExecutor("nearby replies")  # who decides must not wait for the registry

    def ask(self, command: Command, envelope: Envelope, patient: bool = True) -> CommandHandle:
        """Send a command whose outcome is wanted; raises like :meth:`Client.ask`."""
        if not patient and self._asker is None:
            raise WouldWaitError
        return self._connected().ask(command, envelope, patient)

    def send(self, command: Command, envelope: Envelope) -> Ack:
        """Send a command without an outcome; raises like :meth:`Client.send`."""
        return self._connected().sender.send(Kind.COMMAND, command, envelope)

    def cancel(self, command: type[Command], key: bytes, id: str, envelope: Envelope) -> CommandHandle:
        """Cancel a command that was sent for later; raises like :meth:`Client.cancel`."""
        return self._connected().cancel(command, key, id, envelope)

    def resume(self, token: str) -> CommandHandle:
        """Return the outcome-to-be of a command that was asked before, by whichever worker."""
        return self._connected().resume(token)

    def waits_for(self, reply: tuple[int, str, bytes]) -> bool:
        """Whether a request of this worker waits for that reply: its partition, its command's id, its outcome."""
        asker, (partition, id, _) = self._asker, reply
        return asker is not None and asker.waits_for(partition, id.encode())

    def take(self, replies: Sequence[tuple[int, str, bytes]]) -> None:
        """Take replies of groups in this worker, which need not go by way of Kafka; never waits."""
        with suppress(RuntimeError):  # HTTP has given its last answer
            self._nearby.submit(self._take, replies)

    def close(self) -> None:
        """Let go of the broker, once HTTP has given its last answer."""
        self._nearby.shutdown(wait=False, cancel_futures=True)
        asker = self._asker
        if asker is None:
            return
        try:
            asker.sender.producer.close(_CLOSE_SECONDS)
        except DeliveryError as error:  # the client was told, or sends it again with the same key
            log.warning("commands from HTTP: %s", error)
        finally:
            asker.close()
            asker.sender.routes.close()

    def _take(self, replies: Sequence[tuple[int, str, bytes]]) -> None:
        asker = self._connected()
        for _, id, outcome in replies:
            try:
                asker.take(id.encode(), outcome)
            except Exception:
                log.exception("the reply to %s could not be read; it is read from the outcome log", id)

    def _connected(self) -> Asker:
        """Connect at the first command: a worker that gets none has no use for it."""
        if self._asker is None:
            with self._lock:
                if self._asker is None:
                    self._asker = Asker(self._connection, Sender.of(self._connection))
        return self._asker
