"""``GET /jobs``: what jobs are doing right now."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.http.avro_json import encode
from verbwire.http.base.requests import no_parameters
from verbwire.http.forwarding.peers import Peers
from verbwire.http.forwarding.request import ForwardableRequest
from verbwire.observability.job_board import JobBoard


class JobsPage:
    """For operators: the jobs of every worker that answers, this one's among them."""

    def __init__(self, board: JobBoard, worker: str, peers: Peers) -> None:
        self._board = board
        self._worker = worker
        self._peers = peers

    @property
    def routes(self) -> Sequence[Route]:
        """The one path."""
        return [Route("/jobs", self.jobs)]

    def close(self) -> None:
        """Nothing to let go of."""

    async def jobs(self, request: Request) -> Response:
        """GET /jobs: the commands under way, the longest first; not `complete` where a worker does not answer."""
        no_parameters(request)
        jobs, complete = [{"worker": self._worker, **job} for job in self._board.shown()], True
        asked = ForwardableRequest.of(request)
        if not asked.forwarded:
            for body in await self._peers.ask_all(asked):
                complete = complete and body is not None
                jobs += [] if body is None else msgspec.json.decode(body)["jobs"]
        jobs.sort(key=lambda job: -job["seconds"])
        body = encode.encode({"jobs": jobs, "complete": complete})
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")
