"""The HTTP client by which one worker asks another: bounded in time, in number and in bytes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from yarl import URL

from verbwire.http.access.peer_tokens import FORWARDED, PeerTokens
from verbwire.http.base.concurrency import ConcurrencyLimiter
from verbwire.http.base.limits import PageLimits
from verbwire.http.base.problem import page_too_large
from verbwire.http.forwarding.answer import ForwardedProblem, PeerAnswer, PeerUnavailable
from verbwire.http.forwarding.request import ForwardableRequest
from verbwire.observability.watch.throttle import Throttle
from verbwire.security.tls import Authorities, advice_of
from verbwire.wire.records.workers import WorkerRecord

CONNECT_SECONDS = 0.5
_KEPT_SECONDS = 15.0  # an idle connection: shorter than servers keep it
_OURS = frozenset({401, 408, 411, 413, 414, 421, 431})  # the asking worker's own fault, not the client's
_log = logging.getLogger("verbwire.http")


@dataclass(frozen=True, slots=True)
class PeerLimits:
    """What one worker spends on another."""

    answer_seconds: float = 2.0
    position_seconds: float = 2.0  # more where the owner may wait until it is as far as the client asks
    max_answer: int = 2 * PageLimits().deep_part  # bytes: more than any worker of this version sends
    each: int = 128  # requests to one worker at the same time: one that hangs must not use up what the others need
    each_principal: int = 64  # of them


class PeerClient:
    """Sends requests to other workers of this project. Used on HTTP's loop only.

    `name` is the asking worker's, `tokens` are how it proves that. Workers that are reached over TLS are verified by
    `authorities`.
    """

    def __init__(
        self, name: str, tokens: PeerTokens, authorities: Authorities, limits: PeerLimits = PeerLimits()
    ) -> None:
        self._name = name
        self._tokens = tokens
        self._authorities = authorities
        self._limits = limits
        self._throttle = Throttle[str]()
        self._session: aiohttp.ClientSession | None = None
        self._limiters: dict[tuple[str, bool], ConcurrencyLimiter] = {}

    async def ask(self, peer: WorkerRecord, request: ForwardableRequest, more: Mapping[str, str] = {}) -> PeerAnswer:
        """Return what a worker answers, with `more` headers; :class:`PeerUnavailable` when it does not in time.

        :class:`ForwardedProblem` where the principal has reached its limit there.
        """
        seconds = self._limits.answer_seconds + (self._limits.position_seconds if request.has_position else 0.0)
        limiter = self._taken(peer, request)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._send(peer, request, more)
        except TimeoutError:
            raise PeerUnavailable(f"no answer within {seconds:.0f} s") from None
        except aiohttp.ClientConnectorError as error:
            advertised = "can its address, http_advertised_url there, be reached from here?"
            self._warn(peer, f"not reached ({error}): {advice_of(error) or advertised}")
            raise PeerUnavailable(f"{type(error).__name__}: {error}") from None
        except (aiohttp.ClientError, ValueError) as error:  # an address that is none is a ValueError
            raise PeerUnavailable(f"{type(error).__name__}: {error}") from None
        finally:
            self._give(limiter, peer, request)
        return self._checked(peer, answer)

    async def close(self) -> None:
        """Close the connections; called once, on HTTP's loop."""
        if self._session is not None:
            await self._session.close()

    def _checked(self, peer: WorkerRecord, answer: PeerAnswer) -> PeerAnswer:
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise ForwardedProblem(answer)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._warn(
                peer,
                "refuses this worker: are http_internal_secret and the time (to half a minute) the same there, and is "
                "its http_advertised_url its own?",
            )
        if answer.status in _OURS or (answer.status >= 500 and answer.status not in (503, 504)):
            raise PeerUnavailable(f"status {answer.status}")
        return answer

    def _warn(self, peer: WorkerRecord, what: str) -> None:
        """Log, once a minute for each worker, what an operator has to mend.

        A worker that only stops is known by its absence from the directory.
        """
        if self._throttle.admit(peer.name) is not None:
            _log.warning("worker %s at %s: %s", peer.name, peer.url, what)

    def _taken(self, peer: WorkerRecord, request: ForwardableRequest) -> ConcurrencyLimiter:
        """Take a place for a request to a worker, and return where it was taken: :meth:`_give` gives it back."""
        limiter = self._limiters.get(_kind(peer, request))
        if limiter is None:
            most = self._limits.each, self._limits.each_principal
            limiter = self._limiters[_kind(peer, request)] = ConcurrencyLimiter("queries to another worker", *most)
        if not limiter.left:
            raise PeerUnavailable(f"{self._limits.each} requests wait for it already")
        limiter.take(request.principal.actor)
        return limiter

    def _give(self, limiter: ConcurrencyLimiter, peer: WorkerRecord, request: ForwardableRequest) -> None:
        limiter.give(request.principal.actor)
        if limiter.idle:  # workers come and go
            self._limiters.pop(_kind(peer, request), None)

    async def _send(self, peer: WorkerRecord, request: ForwardableRequest, more: Mapping[str, str]) -> PeerAnswer:
        principal, target = request.principal, request.target
        headers = {**request.headers, **more, FORWARDED: self._name}
        scopes = sorted(principal.scopes)
        token = self._tokens.mint(peer, principal.actor, scopes, request.method, target, headers)
        headers["Authorization"] = f"Bearer {token}"
        context, url = self._authorities.context(), URL(peer.url + target, encoded=True)
        session = self._session = self._session or _session(self._limits)
        async with session.request(request.method, url, headers=headers, ssl=context, allow_redirects=False) as answer:
            self._require_size(answer.content_length or 0)
            request.byte_budget.take(answer.content_length or 0)
            return PeerAnswer(answer.status, answer.headers, await self._whole(answer))

    async def _whole(self, answer: aiohttp.ClientResponse) -> bytes:
        if answer.content_length is not None:
            return await answer.read()
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            self._require_size(len(body))
        return bytes(body)

    def _require_size(self, length: int) -> None:
        if length > self._limits.max_answer:
            raise page_too_large("another worker has more of this than one may send")


def _kind(peer: WorkerRecord, request: ForwardableRequest) -> tuple[str, bool]:
    """Return whose places a request takes: those that may wait there have their own, and delay no others here."""
    return peer.name, request.has_position


def _session(limits: PeerLimits) -> aiohttp.ClientSession:
    """Return the connections to all workers; their number is bounded by the places for requests."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        skip_auto_headers=("User-Agent",),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=limits.answer_seconds + limits.position_seconds
        ),
    )
