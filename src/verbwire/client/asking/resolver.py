"""Resolves pending commands by the outcomes that were heard or read: decodes only those that are waited for."""

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
    """Settles the commands in flight; `take` is called by the thread that reads replies and by the one that polls."""

    def __init__(self, routes: Routes, book: InFlightCommands, positions: SeenPositions) -> None:
        self._routes = routes
        self._in_flight = book
        self._positions = positions

    def take(self, id: bytes, value: bytes) -> None:
        """Take a framed record about the command of that id; most are of others, and are dropped at once."""
        questions = self._in_flight.of(id)
        if not questions:
            return
        try:
            line = self._lines.decode(value)
        except UndecodableError as error:
            log.warning("a reply about command %r is ignored: %s", id, error)
        except UnavailableError:  # the registry is silent; the outcome log keeps the record
            for question in questions:
                question.read_again()
        else:
            if isinstance(line, OutcomeRecord):
                for question in questions:
                    self._weigh(question, line)

    def placed(self, question: PendingCommand, token: OutcomeToken, due_at: float) -> None:
        """Take down where a pending command lies; a reply may have been faster."""
        for line in question.placed(token, due_at):
            self._weigh(question, line)

    def _weigh(self, question: PendingCommand, line: OutcomeRecord) -> None:
        token = question.token or question.keep(line)
        if token is None:
            return
        try:
            outcome = outcome_for(token, line, self._replies.outcome)
        except UnavailableError:
            question.read_again()
        except VerbwireError as error:  # the reply cannot be read, and would not be another time either
            self._in_flight.settle(question, error)
        else:
            if outcome is not None:
                self._positions.remember(line.events)
                self._in_flight.settle(question, outcome, line.events)

    @cached_property
    def _lines(self) -> TopicDecoder:
        codec = self._routes.codec
        return codec.topic_decoder("an outcome log", OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})

    @cached_property
    def _replies(self) -> Replies:
        return Replies(self._routes.codec)
