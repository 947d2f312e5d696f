"""``GET /jobs``: what the jobs of this worker are doing right now."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.http import json
from verbwire.http.requests import no_parameters
from verbwire.jobs import JobBoard


class JobsPage:
    """For operators; of this worker alone."""

    def __init__(self, board: JobBoard) -> None:
        self._board = board

    @property
    def routes(self) -> Sequence[Route]:
        """The one path."""
        return [Route("/jobs", self.jobs)]

    def close(self) -> None:
        """Nothing to let go of."""

    async def jobs(self, request: Request) -> Response:
        """GET /jobs: the commands under way, the longest first."""
        no_parameters(request)
        body = json.encode({"jobs": self._board.shown()})
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")
