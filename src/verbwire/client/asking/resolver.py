"""Resolves pending commands by outcomes from replies or the outcome log; decodes only those of its own commands."""

from __future__ import annotations

import logging
from functools import cached_property

from verbwire.client.asking.in_flight import InFlightCommands
from verbwire.client.asking.pending_command import PendingCommand, outcome_for
from verbwire.client.base.positions import SeenPositions
from verbwire.client.producing.routes import Routes
from verbwire.errors import UnavailableError, UndecodableError, VerbwireError
from verbwire.wire.codec.replies import Replies
from verbwire.wire.codec.topics import TopicDecoder
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord

log = logging.getLogger(__name__)


class OutcomeResolver:
    """Completes the commands in flight. `take` is called by the reply listener and by the outcome poller."""

    def __init__(self, routes: Routes, in_flight: InFlightCommands, positions: SeenPositions) -> None:
        self._routes = routes
        self._in_flight = in_flight
        self._positions = positions

    def take(self, id: bytes, value: bytes) -> None:
        """Take the framed outcome record of that command id; most are of other clients, and are dropped at once."""
        commands = self._in_flight.of(id)
        if not commands:
            return
        try:
            line = self._lines.decode(value)
        except UndecodableError as error:
            log.warning("a reply about command %r is ignored: %s", id, error)
        except UnavailableError:  # the registry is silent; the outcome log keeps the record
            for pending in commands:
                pending.read_again()
        else:
            if isinstance(line, OutcomeRecord):
                for pending in commands:
                    self._match(pending, line)

    def placed(self, pending: PendingCommand, token: OutcomeToken, due_at: float) -> None:
        """Set the position of a pending command; its reply may have been faster."""
        for line in pending.placed(token, due_at):
            self._match(pending, line)

    def _match(self, pending: PendingCommand, line: OutcomeRecord) -> None:
        token = pending.token or pending.keep(line)
        if token is None:
            return
        try:
            outcome = outcome_for(token, line, self._replies.outcome)
        except UnavailableError:
            pending.read_again()
        except VerbwireError as error:  # the reply cannot be read, and would not be another time either
            self._in_flight.settle(pending, error)
        else:
            if outcome is not None:
                self._positions.remember(line.events)
                self._in_flight.settle(pending, outcome, line.events)

    @cached_property
    def _lines(self) -> TopicDecoder:
        codec = self._routes.codec
        return codec.topic_decoder("an outcome log", OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})

    @cached_property
    def _replies(self) -> Replies:
        return Replies(self._routes.codec)
