"""Asking other workers, so that any worker answers any request.

The directory says who owns a partition; who is asked decides whether it may answer. So a directory that is out of
date, an owner that is gone, stopped or late all end as a 503 or as a partition that is stated to be missing, never as
rows that are wrong. So does an owner that refuses a request which the asking worker has found good: while workers of
two versions of a project run side by side, one knows queries and indexes that another does not, and no client is at
fault.

One worker asks another with a token that only workers can make, for this one request at that one worker
(:mod:`verbwire.http.access.peer_tokens`). What came with such a token is answered from what is here, or not at all: a
request is never passed on twice.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import httpx2 as httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from verbwire.discovery.directory import Directory
from verbwire.http.access.peer_tokens import FORWARDED, PARTITIONS, PeerTokens
from verbwire.http.base import limits, problem_types
from verbwire.http.base.concurrency import ConcurrencyLimiter
from verbwire.http.base.problem import HttpProblem, page_too_large, unavailable
from verbwire.http.base.problem_types import ProblemType
from verbwire.http.base.requests import principal_of, room_of
from verbwire.http.forwarding import partial_list as founds
from verbwire.http.forwarding.partial_list import PartialList, absent, merged
from verbwire.observability.watch.throttle import Throttle
from verbwire.security.tls import Authorities, advice_of
from verbwire.wire.freshness import HEADER as FRESHNESS
from verbwire.wire.positions import HEADER as POSITION
from verbwire.wire.records.workers import WorkerRecord

CONNECT_SECONDS = 0.5
ANSWER_SECONDS = 2.0
POSITION_SECONDS = 2.0  # more where the owner may wait until it is as far as the client asks
MAX_ANSWER = 2 * limits.DEEP_PART  # bytes: more than any worker of this version sends
EACH = 128  # requests to one worker at the same time: one that hangs must not use up what the others need
EACH_PRINCIPAL = 64  # of them
_PASSED_ON = ("accept", "prefer", "traceparent", POSITION.lower(), FRESHNESS.lower())
_PASSED_BACK = ("content-type", "cache-control", "retry-after", "vary", POSITION.lower(), FRESHNESS.lower())
_OURS = frozenset({401, 408, 411, 413, 414, 421, 431})  # said to us, not to who asked us
_ANSWERS = frozenset(
    each.code
    for each in (
        problem_types.NO_SUCH_ROW,
        problem_types.NOT_FOUND,
        problem_types.OUTCOME_GONE,
        problem_types.BAD_POSITION,
    )
)
"""Problems of another worker that answer the client's request; any other tells that its version differs from ours."""
_MIXED_SECONDS = 5
_log = logging.getLogger("verbwire.http")


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What another worker has said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class PeerUnavailable(Exception):  # noqa: N818 (a signal, not an error of ours)
    """Another worker gave no answer that could be passed on."""


class Peers:
    """The other workers of this project, as this one asks them. Used on HTTP's loop only.

    Without a directory, or tokens to be known by, nobody is asked: each worker answers for its own partitions then.
    Those who are reached over TLS are verified by `authorities`.
    """

    def __init__(
        self,
        directory: Directory | None,
        name: str,
        tokens: PeerTokens | None,
        authorities: Authorities | None = None,
    ) -> None:
        self._directory = directory
        self._name = name
        self._tokens = tokens
        self._authorities = authorities or Authorities(None)
        self._told = Throttle[str]()
        self._client: httpx.AsyncClient | None = None
        self._shares: dict[tuple[str, bool], ConcurrencyLimiter] = {}

    def owner(self, request: Request, group: str, partition: int) -> WorkerRecord | None:
        """Return the other worker that owns a partition, and that this request may be passed on to.

        None: nobody is known to own it, or this worker does, or the request has been passed on already.
        """
        if self._directory is None or self._tokens is None or is_forwarded(request):
            return None
        found = self._directory.owner(group, partition)
        return None if found is None or found.name == self._name else found

    def others(self) -> list[WorkerRecord]:
        """Return every other worker that may be asked."""
        if self._directory is None or self._tokens is None:
            return []
        return [worker for worker in self._directory.workers() if worker.name != self._name]

    async def forward(self, peer: WorkerRecord, request: Request) -> Response:
        """Return what another worker answers to this request; the 503 problem when it does not."""
        try:
            answer = await self._ask(peer, request, {})
        except PeerUnavailable as why:
            _log.info("%s, asked for %s: %s", peer.name, request.scope["path"], why)
            detail = "the worker that owns this partition does not answer: it may be stopping, ask again"
            raise unavailable(problem_types.OWNER_UNREACHABLE, detail) from None
        if 400 <= answer.status < 500 and (code := _code_of(answer)) not in _ANSWERS:
            _log.warning("%s, asked for %s, refuses what is known here: %s", peer.name, request.scope["path"], code)
            detail = "the worker that owns this partition runs another version, which does not know this yet: ask again"
            raise unavailable(problem_types.MIXED_VERSIONS, detail, _MIXED_SECONDS)
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        return Response(answer.body, answer.status, headers)

    async def gather(
        self,
        request: Request,
        group: str,
        partitions: Sequence[int],
        here: Sequence[int],
        local: Callable[[Sequence[int]], Awaitable[PartialList]],
    ) -> PartialList:
        """Ask every owner for its partitions of a list, all at once, and return what they have.

        `local` reads those that are `here`; it is called for what is nobody else's as well, to say that it is missing.
        Who does not answer in time, or does not know the request as it is known here, is missing. Raises what `local`
        raises, the 503 of an owner that is behind what the client has seen, and 429 where the shares of who asks are
        used up.
        """
        mine, theirs = self._shared_out(request, group, partitions, here)
        asked = [self._part(peer, request, share) for peer, share in theirs]
        if not asked:
            return await local(mine)
        parts = await asyncio.gather(*([local(mine)] if mine else []), *asked)
        return merged(parts)

    async def ask_all(self, request: Request) -> list[bytes | None]:
        """Ask every other worker the same; return the bodies, None for who did not answer 200 in time."""

        async def body(peer: WorkerRecord) -> bytes | None:
            try:
                answer = await self._ask(peer, request, {})
            except (PeerUnavailable, HttpProblem) as why:
                _log.info("%s, asked for %s: %s", peer.name, request.scope["path"], why)
                return None
            return answer.body if answer.status == 200 else None

        return await asyncio.gather(*map(body, self.others()))

    async def close(self) -> None:
        """Let go of the connections; called once, on HTTP's loop."""
        if self._client is not None:
            await self._client.aclose()

    # -- inside

    def _shared_out(
        self, request: Request, group: str, partitions: Sequence[int], here: Sequence[int]
    ) -> tuple[list[int], list[tuple[WorkerRecord, list[int]]]]:
        mine, theirs, peers = [], dict[str, list[int]](), dict[str, WorkerRecord]()
        for partition in partitions:
            owner = None if partition in here else self.owner(request, group, partition)
            if owner is None:
                mine.append(partition)
            else:
                peers[owner.name] = owner
                theirs.setdefault(owner.name, []).append(partition)
        return mine, [(peers[name], share) for name, share in theirs.items()]

    async def _part(self, peer: WorkerRecord, request: Request, partitions: list[int]) -> PartialList:
        """Return what one other worker has of its partitions; all of them missing where it does not answer."""
        try:
            answer = await self._ask(peer, request, {PARTITIONS: ",".join(map(str, partitions))})
            if POSITION in request.headers and _is_of_position(answer):
                raise _Passed(answer)
            if answer.status != 200:
                raise PeerUnavailable(f"status {answer.status} {_code_of(answer)}")
            part = founds.read(answer.body)
            if sorted([*part.positions, *part.missing]) != partitions:
                raise PeerUnavailable("it answers for other partitions than it was asked for")
        except (PeerUnavailable, ValueError) as why:
            _log.info("%s, asked for %s: %s", peer.name, request.scope["path"], why)
            return absent(partitions)
        return part

    async def _ask(self, peer: WorkerRecord, request: Request, more: Mapping[str, str]) -> PeerAnswer:
        seconds = ANSWER_SECONDS + (POSITION_SECONDS if POSITION in request.headers else 0.0)
        try:
            async with asyncio.timeout(seconds), self._place(peer, request):
                answer = await self._send(peer, request, more)
        except TimeoutError:
            raise PeerUnavailable(f"no answer within {seconds:.0f} s") from None
        except httpx.ConnectError as error:
            advertised = "can its address, http_advertised_url there, be reached from here?"
            self._tell(peer, f"not reached ({error}): {advice_of(error) or advertised}")
            raise PeerUnavailable(f"{type(error).__name__}: {error}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PeerUnavailable(f"{type(error).__name__}: {error}") from None
        if answer.status == 429:
            raise _Passed(answer)  # who asks has used up their share there
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._tell(
                peer,
                "refuses this worker: are http_internal_secret and the time (to half a minute) the same there, and is "
                "its http_advertised_url its own?",
            )
        if answer.status in _OURS or (answer.status >= 500 and answer.status not in (503, 504)):
            raise PeerUnavailable(f"status {answer.status}")
        return answer

    def _tell(self, peer: WorkerRecord, what: str) -> None:
        """Say once a minute of each what an operator has to mend: a worker that only stops is told by its absence."""
        if self._told.admit(peer.name) is not None:
            _log.warning("worker %s at %s: %s", peer.name, peer.url, what)

    @asynccontextmanager
    async def _place(self, peer: WorkerRecord, request: Request) -> AsyncIterator[None]:
        # Those that may wait there have places of their own, so that they keep nobody else waiting here.
        kind = (peer.name, POSITION in request.headers)
        shares = self._shares.setdefault(kind, ConcurrencyLimiter("questions to another worker", EACH, EACH_PRINCIPAL))
        try:
            if not shares.left:
                raise PeerUnavailable(f"{EACH} requests wait for it already")
            with shares.taken(principal_of(request).actor):
                yield
        finally:
            if shares.idle:  # workers come and go
                self._shares.pop(kind, None)

    async def _send(self, peer: WorkerRecord, request: Request, more: Mapping[str, str]) -> PeerAnswer:
        principal, target = principal_of(request), _target(request)
        assert self._tokens is not None  # noqa: S101 (without any nobody is anybody's peer)
        passed = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        headers = {**passed, **more, FORWARDED: self._name}
        scopes = sorted(principal.scopes)
        token = self._tokens.mint(peer, principal.actor, scopes, request.method, target, headers)
        headers["Authorization"] = f"Bearer {token}"
        context = self._authorities.context()
        client = self._client = self._client or _client(context)
        async with client.stream(request.method, peer.url + target, headers=headers) as answer:
            length = int(answer.headers.get("content-length", 0))
            if length > MAX_ANSWER:
                raise page_too_large("another worker has more of this than one may send")
            room_of(request).take(length)
            return PeerAnswer(answer.status_code, answer.headers, await _whole(answer))


ALONE = Peers(None, "", None)
"""For a worker that is alone."""


class _Passed(HttpProblem):
    """A problem that another worker has with the request, passed on as it was said."""

    def __init__(self, answer: PeerAnswer) -> None:
        retry = {name: answer.headers[name] for name in ("retry-after",) if name in answer.headers}
        super().__init__(ProblemType(_code_of(answer), answer.status, "", ""), "", retry)
        self._said = answer.body

    def body(self) -> bytes:
        return self._said


def _is_of_position(answer: PeerAnswer) -> bool:
    """Whether rows are older there than the client has seen, or than anybody can have."""
    return answer.status == 503 or (answer.status == 400 and _code_of(answer) == problem_types.BAD_POSITION.code)


def _code_of(answer: PeerAnswer) -> str:
    try:
        return msgspec.json.decode(answer.body, type=_Code).code
    except msgspec.DecodeError:
        return ""


class _Code(msgspec.Struct):
    code: str = ""


def is_forwarded(request: Request) -> bool:
    """Whether another worker has passed this on, and wants what is here."""
    return request.scope.get("forwarded") is True


def asked_partitions(request: Request) -> list[int] | None:
    """Return the partitions that another worker asks for, None where it is no other worker that asks."""
    text = request.headers.get(PARTITIONS) if is_forwarded(request) else None
    if text is None:
        return None
    try:
        return sorted({int(each) for each in text.split(",")})
    except ValueError:
        raise HttpProblem(problem_types.BAD_PARTITIONS, f"{PARTITIONS} is a comma-separated list of numbers") from None


def found_response(found: PartialList) -> Response:
    """Return to another worker what is here of the partitions that it asked for."""
    return Response(founds.written(found), headers={"Cache-Control": "no-store"}, media_type=founds.MEDIA_TYPE)


def _client(context: ssl.SSLContext) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=context,
        timeout=httpx.Timeout(ANSWER_SECONDS + POSITION_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_keepalive_connections=EACH, keepalive_expiry=15.0),  # shorter than the server's
        headers={"Accept-Encoding": "identity"},
        trust_env=False,  # no proxies: the addresses are this cluster's own
    )


def _target(request: Request) -> str:
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("ascii")


async def _whole(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MAX_ANSWER:
            raise page_too_large("another worker has more of this than one may send")
    return bytes(body)
