"""Outcomes that are asked for later: ``GET /outcomes/{token}``, the path that a 202 has named.

The receiver's own memory answers where it is in this process; else the ledger is read, for a moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.engine.preparing import WINDOW_MS
from verbwire.errors import UnavailableError
from verbwire.http import limits
from verbwire.http.gateway import Gateway
from verbwire.http.outcome_links import OutcomeLinks
from verbwire.http.problem import Problem, unavailable
from verbwire.http.reads import Readers
from verbwire.http.receivers import Receiver
from verbwire.http.replies import ReplyWriter
from verbwire.http.requests import no_parameters, path_parameter, principal_of
from verbwire.http.shares import Shares
from verbwire.http.verdicts import document, json_response, position_header
from verbwire.messages import Outcome
from verbwire.sdk.ack import Position
from verbwire.sdk.question import outcome_for
from verbwire.wire.codec import Codec
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.outcomes import EventPosition
from verbwire.wire.replies import Replies


class Outcomes:
    """Tells what became of commands. `receivers` are those hosted here."""

    def __init__(self, receivers: Iterable[Receiver], codec: Codec, gateway: Gateway, links: OutcomeLinks) -> None:
        self._receivers = {each.namespace: each for each in receivers}
        self._gateway = gateway
        self._links = links
        self._outcome = Replies(codec).outcome
        self._reply = ReplyWriter(codec.catalog)
        self._readers = Readers(limits.READERS, limits.WAITING)
        self._shares = Shares(limits.LOOKUPS, limits.LOOKUPS_EACH)

    @property
    def routes(self) -> Sequence[Route]:
        """The paths it answers."""
        return [Route("/outcomes/{token}", self.get)]

    def close(self) -> None:
        """Let go of the threads; called after the last answer."""
        self._readers.close()

    async def get(self, request: Request) -> Response:
        """GET /outcomes/{token}."""
        principal = principal_of(request)
        token = self._links.read(path_parameter(request, "token"), principal)
        no_parameters(request)
        receiver = self._receivers.get(token.namespace)
        try:
            if receiver is not None:
                return await self._readers.run_short(lambda: self._remembered(receiver, token))
        except UnavailableError:  # another worker has that partition, or nobody yet
            pass
        with self._shares.taken(principal.actor):
            return await self._from_ledger(token)

    def _remembered(self, receiver: Receiver, token: OutcomeToken) -> Response:
        line, reached = receiver.look(token)
        outcome = None if line is None else outcome_for(token, line, self._outcome)
        if line is not None and outcome is not None:
            return self._told(token, outcome, line.events)
        if reached:
            raise _gone()
        return _pending(token)

    async def _from_ledger(self, token: OutcomeToken) -> Response:
        try:
            async with asyncio.timeout(limits.LOOKUP_SECONDS):
                pending = await self._readers.run(lambda: self._gateway.resume(token.encode()))
                outcome = await pending
        except TimeoutError:
            if token.timestamp + WINDOW_MS < time.time() * 1000:
                raise _gone() from None
            return _pending(token)
        except UnavailableError as error:
            raise unavailable("not_ready", "the outcome cannot be looked up now: ask again") from error
        return self._told(token, outcome, pending.events)

    def _told(self, token: OutcomeToken, outcome: Outcome, events: Iterable[EventPosition | Position]) -> Response:
        return json_response(document(token.id, outcome, self._reply(outcome)), headers=position_header(events))


def _pending(token: OutcomeToken) -> Response:
    return json_response({"outcome": "pending", "id": token.id}, 202, {"Retry-After": "1"})


def _gone() -> Problem:
    return Problem(410, "outcome_gone", "outcomes are kept for seven days, and this one is not there any more")
