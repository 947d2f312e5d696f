"""Forwards requests to the owners of partitions, so that any worker answers any request.

The directory says who owns a partition; the worker that is asked decides whether it may answer. So a directory that is
out of date, an owner that is gone, stopped or late all end as a 503 or as a partition that is stated to be missing,
never as rows that are wrong. So does an owner that refuses a request which the asking worker has found good: while
workers of two versions of a project run side by side, one knows queries and indexes that another does not, and no
client is at fault.

One worker asks another with a token that only workers can make, for this one request at that one worker
(:mod:`verbwire.http.access.peer_tokens`). What came with such a token is answered from what is here, or not at all: a
request is never passed on twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from starlette.responses import Response

from verbwire.discovery.directory import Directory
from verbwire.http.access.peer_tokens import PARTITIONS, PeerTokens
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.forwarding import partial_list
from verbwire.http.forwarding.answer import ForwardedProblem, PeerUnavailable
from verbwire.http.forwarding.partial_list import PartialList, absent, merged
from verbwire.http.forwarding.peer_client import PeerClient, PeerLimits
from verbwire.http.forwarding.request import ForwardableRequest
from verbwire.security.tls import Authorities
from verbwire.wire.records.workers import WorkerRecord

_MIXED_SECONDS = 5
_log = logging.getLogger("verbwire.http")


class Peers:
    """The other workers of this project, as this one asks them. Used on HTTP's loop only.

    Without a directory, or tokens to prove itself by, it forwards nothing: each worker answers for its own partitions.
    """

    def __init__(
        self,
        directory: Directory | None,
        name: str,
        tokens: PeerTokens | None,
        authorities: Authorities | None = None,
        limits: PeerLimits = PeerLimits(),
    ) -> None:
        self._directory = directory if tokens is not None else None
        self._name = name
        self._client = None if tokens is None else PeerClient(name, tokens, authorities or Authorities(None), limits)

    def owner(self, request: ForwardableRequest, group: str, partition: int) -> WorkerRecord | None:
        """Return the other worker that owns a partition, if this request may be forwarded to it.

        None: no worker is known to own it, or this one does, or the request has been forwarded already.
        """
        if self._directory is None or request.forwarded:
            return None
        found = self._directory.owner(group, partition)
        return None if found is None or found.name == self._name else found

    def others(self) -> list[WorkerRecord]:
        """Return every other worker that may be asked."""
        if self._directory is None:
            return []
        return [worker for worker in self._directory.workers() if worker.name != self._name]

    async def forward(self, peer: WorkerRecord, request: ForwardableRequest) -> Response:
        """Return what another worker answers to this request; the 503 problem when it does not."""
        try:
            answer = await self._require_client().ask(peer, request)
        except PeerUnavailable as why:
            _note(peer, request, why)
            detail = "the worker that owns this partition does not answer: it may be stopping, ask again"
            raise unavailable(problem_types.OWNER_UNREACHABLE, detail) from None
        if answer.is_of_another_version:
            _log.warning("%s, asked for %s, refuses what is known here: %s", peer.name, request.path, answer.code)
            detail = "the worker that owns this partition runs another version, which does not know this yet: ask again"
            raise unavailable(problem_types.MIXED_VERSIONS, detail, _MIXED_SECONDS)
        return answer.response()

    async def gather(
        self,
        request: ForwardableRequest,
        group: str,
        partitions: Sequence[int],
        here: Sequence[int],
        local: Callable[[Sequence[int]], Awaitable[PartialList]],
    ) -> PartialList:
        """Ask every owner for its partitions of a list, all at once, and return what they have.

        `local` reads those that are `here`; it is called for what no worker owns as well, to say that it is missing.
        A worker that does not answer in time, or does not know the request as it is known here, is missing. Raises what
        `local` raises, the 503 of an owner that is behind what the client has seen, and 429 where the principal has
        reached its limits.
        """
        mine, theirs = self._by_owner(request, group, partitions, here)
        asked = [self._part(peer, request, share) for peer, share in theirs]
        if not asked:
            return await local(mine)
        parts = await asyncio.gather(*([local(mine)] if mine else []), *asked)
        return merged(parts)

    async def ask_all(self, request: ForwardableRequest) -> list[bytes | None]:
        """Ask every other worker the same; return the bodies, None for a worker that did not answer 200 in time."""
        return await asyncio.gather(*(self._body(peer, request) for peer in self.others()))

    async def close(self) -> None:
        """Close the connections; called once, on HTTP's loop."""
        if self._client is not None:
            await self._client.close()

    # -- inside

    def _require_client(self) -> PeerClient:
        assert self._client is not None  # noqa: S101 (without one there is no peer)
        return self._client

    def _by_owner(
        self, request: ForwardableRequest, group: str, partitions: Sequence[int], here: Sequence[int]
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

    async def _part(self, peer: WorkerRecord, request: ForwardableRequest, partitions: list[int]) -> PartialList:
        """Return what one other worker has of its partitions; all of them missing where it does not answer."""
        try:
            answer = await self._require_client().ask(peer, request, {PARTITIONS: ",".join(map(str, partitions))})
            if request.has_position and answer.is_of_position:
                raise ForwardedProblem(answer)
            if answer.status != 200:
                raise PeerUnavailable(f"status {answer.status} {answer.code}")
            part = partial_list.read(answer.body)
            if sorted([*part.positions, *part.missing]) != partitions:
                raise PeerUnavailable("it answers for other partitions than it was asked for")
        except (PeerUnavailable, ValueError) as why:
            _note(peer, request, why)
            return absent(partitions)
        return part

    async def _body(self, peer: WorkerRecord, request: ForwardableRequest) -> bytes | None:
        try:
            answer = await self._require_client().ask(peer, request)
        except (PeerUnavailable, HttpProblem) as why:
            _note(peer, request, why)
            return None
        return answer.body if answer.status == 200 else None


ALONE = Peers(None, "", None)
"""For a worker that asks no other."""


def _note(peer: WorkerRecord, request: ForwardableRequest, why: Exception) -> None:
    _log.info("%s, asked for %s: %s", peer.name, request.path, why)


def partial_response(found: PartialList) -> Response:
    """Return to another worker what is here of the partitions that it asked for."""
    return Response(
        partial_list.written(found), headers={"Cache-Control": "no-store"}, media_type=partial_list.MEDIA_TYPE
    )
