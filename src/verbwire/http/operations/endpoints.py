"""What watches a worker: ``GET /health/live``, ``/health/ready`` and ``/metrics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.http.avro_json import encode
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import json_bytes, no_parameters
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.operations.health import Health
from verbwire.observability.metrics.registry import CONTENT_TYPE, Metrics


class OperationsEndpoints:
    """Health and metrics; the text of the metrics is written by `readers`, off the loop."""

    def __init__(self, health: Health, metrics: Metrics, readers: BoundedThreadPool) -> None:
        self._health = health
        self._metrics = metrics
        self._readers = readers

    @property
    def routes(self) -> Sequence[Route]:
        """The paths it answers."""
        return [
            Route("/health/live", self.live),
            Route("/health/ready", self.ready),
            Route("/metrics", self.metrics),
        ]

    def live(self, request: Request) -> Response:
        """GET /health/live: whether this process is worth keeping."""
        return _health(request, self._health.dead(), "live")

    def ready(self, request: Request) -> Response:
        """GET /health/ready: whether this worker serves; beside it, what is stopped or has yet to catch up."""
        return _health(request, self._health.not_ready(), "ready", self._health.partition_health())

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: Prometheus' text format."""
        no_parameters(request)
        body = await self._readers.run(self._metrics.exposition)
        return Response(body, headers={"Content-Type": CONTENT_TYPE})


def _health(request: Request, problem: HttpProblem | None, status: str, more: Mapping[str, Any] = {}) -> Response:
    no_parameters(request)
    return problem.response() if problem is not None else json_bytes(encode.encode({"status": status, **more}))
