"""Serves outcomes later: ``GET /outcomes/{token}``, the path that a 202 has named.

The receiver's own memory answers, here or at the worker that has it; where none has it, the outcome log is read for a
moment.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.client.asking.pending_command import outcome_for
from verbwire.client.producing.ack import Position
from verbwire.errors import UnavailableError
from verbwire.http.base import limits, problem_types
from verbwire.http.base.concurrency import ConcurrencyLimiter
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.base.requests import no_parameters, path_parameter, principal_of
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.commands.gateway import Gateway
from verbwire.http.commands.outcome_links import OutcomeLinks
from verbwire.http.commands.outcome_memory import AggregateOutcomes
from verbwire.http.commands.outcome_responses import document, json_response, position_header
from verbwire.http.commands.reply_json import ReplyWriter
from verbwire.http.forwarding.peers import ALONE, Peers
from verbwire.http.forwarding.request import ForwardableRequest
from verbwire.messages import Outcome
from verbwire.wire.codec.replies import Replies
from verbwire.wire.codec.topics import Codec
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.records.outcomes import EventPosition
from verbwire.wire.topics import OUTCOME_RETENTION_MS

_log = logging.getLogger("verbwire.http")


class OutcomeEndpoint:
    """Serves the outcomes of commands. `receivers` are all aggregates of the project."""

    def __init__(
        self,
        receivers: Iterable[AggregateOutcomes],
        codec: Codec,
        gateway: Gateway,
        links: OutcomeLinks,
        peers: Peers = ALONE,
    ) -> None:
        self._receivers = {each.namespace: each for each in receivers}
        self._peers = peers
        self._gateway = gateway
        self._links = links
        self._outcome = Replies(codec).outcome
        self._reply = ReplyWriter(codec.catalog)
        self._readers = BoundedThreadPool(limits.READERS, limits.WAITING)
        self._limiter = ConcurrencyLimiter("lookups of outcomes", limits.LOOKUPS, limits.LOOKUPS_EACH)

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
        asked, receiver = ForwardableRequest.of(request), self._receivers.get(token.namespace)
        known = None if receiver is None else await self._from_receiver(asked, receiver, token)
        if known is not None:
            return known
        if asked.forwarded:  # the worker that passed it on reads the outcome log itself
            raise unavailable(problem_types.NOT_READY, "the aggregate's partition moved to another worker: ask again")
        with self._limiter.taken(principal.actor):
            return await self._from_outcome_log(token)

    async def _from_receiver(
        self, request: ForwardableRequest, receiver: AggregateOutcomes, token: OutcomeToken
    ) -> Response | None:
        """Ask the worker that has the receiver's memory; None where none has it now, or it does not answer."""
        if receiver.store_reader.has(token.partition):
            try:
                return await self._readers.run_short(lambda: self._remembered(receiver, token))
            except UnavailableError:  # it has just left
                return None
        owner = self._peers.owner(request, receiver.store_reader.name, token.partition)
        if owner is None:
            return None
        try:
            answer = await self._peers.forward(owner, request)
        except HttpProblem as problem:
            _log.info("an outcome of %s is looked up in the outcome log: %s", token.namespace, problem.detail)
            return None
        return answer if answer.status_code < 500 else None

    def _remembered(self, receiver: AggregateOutcomes, token: OutcomeToken) -> Response:
        line, reached = receiver.look(token)
        outcome = None if line is None else outcome_for(token, line, self._outcome)
        if line is not None and outcome is not None:
            return self._response(token, outcome, line.events)
        if reached:
            raise _gone()
        return _pending(token)

    async def _from_outcome_log(self, token: OutcomeToken) -> Response:
        try:
            async with asyncio.timeout(limits.LOOKUP_SECONDS):
                pending = await self._readers.run(lambda: self._gateway.resume(token.encode()))
                outcome = await pending
        except TimeoutError:
            if token.timestamp + OUTCOME_RETENTION_MS < time.time() * 1000:
                raise _gone() from None
            return _pending(token)
        except UnavailableError as error:
            raise unavailable(problem_types.NOT_READY, "the outcome cannot be looked up now: ask again") from error
        return self._response(token, outcome, pending.events)

    def _response(self, token: OutcomeToken, outcome: Outcome, events: Iterable[EventPosition | Position]) -> Response:
        return json_response(document(token.id, outcome, self._reply(outcome)), headers=position_header(events))


def _pending(token: OutcomeToken) -> Response:
    return json_response({"outcome": "pending", "id": token.id}, 202, {"Retry-After": "1"})


def _gone() -> HttpProblem:
    return HttpProblem(problem_types.OUTCOME_GONE, "outcomes are kept for seven days, and this one is gone")
