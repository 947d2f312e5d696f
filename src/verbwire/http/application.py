"""One request, from its head to its answer: let in, routed, answered; whatever goes wrong inside becomes a problem.

Where nothing has to be waited for, a request is answered by plain calls, in the same turn of the loop that has read it:
a task, its context and its way through the loop cost more than a row.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from verbwire.http.access.access_control import AccessControl
from verbwire.http.access.path_access import HEALTH
from verbwire.http.base.problem import HttpProblem, broken, of_router
from verbwire.http.base.response_head import head_of
from verbwire.http.base.routing import Answer, RouteTable
from verbwire.observability.metrics.http import HttpMetrics
from verbwire.observability.watch.throttle import Throttle
from verbwire.observability.watch.tracebacks import Frame, frames_of, summary
from verbwire.tracing.http_spans import served, serving
from verbwire.tracing.seam import Tracer, active, spanning
from verbwire.wire.headers import trace_of

_PROBLEM = 400  # and above
_UNTRACED = {*HEALTH, "/metrics"}  # asked every few seconds, by machines
_log = logging.getLogger("verbwire.http")


class Application:
    """Answers requests; what serves it is :mod:`verbwire.http.serving.protocol`. Used on HTTP's loop only.

    `lifespan` is entered before the first request and left behind the last.
    """

    def __init__(
        self,
        access: AccessControl,
        routes: Iterable[Route],
        metrics: HttpMetrics,
        lifespan: Callable[[Any], AbstractAsyncContextManager[None]],
    ) -> None:
        every = [*routes]
        metrics.serves(route.path for route in every)
        self._access = access
        self._routes = RouteTable(every)
        self._metrics = metrics
        self._router = Router(lifespan=lifespan)
        self._throttle = Throttle[tuple[type[Exception], Frame | None]]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin and end with the server, as ASGI has it."""
        await self._router.lifespan(scope, receive, send)

    def begin(self, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to a request, or what to await for it; neither raises. :meth:`end` is to follow.

        With the answer its head is there, as ``scope["head"]``.
        """
        scope["began"] = time.perf_counter()
        scope["status"] = 0
        if (tracer := active()) is not None and scope["raw_path"].decode("ascii") not in _UNTRACED:
            return self._traced(tracer, scope, receive)
        return self._begin(scope, receive)

    def end(self, scope: Scope) -> None:
        """Give back what a request has held, and count it."""
        self._access.leave(scope)
        route = scope.get("route")
        seconds = time.perf_counter() - scope["began"]
        self._metrics.answered(route.path if route else None, scope["status"], seconds)

    # -- inside

    def _begin(self, scope: Scope, receive: Receive) -> Answer:
        try:
            waiting = self._access.admit(scope)
            if waiting is not None:
                return self._awaited(scope, self._once_admitted(waiting, scope, receive))
            answer = self._routes.find(scope)(Request(scope, receive))
            if isinstance(answer, Response):
                return _sendable(scope, answer)
        except Exception as error:  # noqa: BLE001 (the last line of defence: logged in full, told in short)
            return self._problem(scope, error)
        return self._awaited(scope, answer)

    async def _once_admitted(self, waiting: Awaitable[None], scope: Scope, receive: Receive) -> Response:
        await waiting
        answer = self._routes.find(scope)(Request(scope, receive))
        return answer if isinstance(answer, Response) else await answer

    async def _awaited(self, scope: Scope, answer: Awaitable[Response]) -> Response:
        try:
            return _sendable(scope, await answer)
        except Exception as error:  # noqa: BLE001 (the last line of defence: logged in full, told in short)
            return self._problem(scope, error)

    async def _traced(self, tracer: Tracer, scope: Scope, receive: Receive) -> Response:
        method = scope["method"]
        carried = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        with spanning(tracer, serving(tracer, method, trace_of(carried))) as span:
            answer = self._begin(scope, receive)
            response = answer if isinstance(answer, Response) else await answer
            route = scope.get("route")
            served(span, method, route.path if route else None, response.status_code)
        return response

    def _problem(self, scope: Scope, error: Exception) -> Response:
        """Return what to say of what was raised: what is no problem is logged in full, and told in short."""
        if not isinstance(error, HTTPException):
            correlation = str(uuid4())
            self._tell(f"{scope['method']} {scope['path']} broke, correlation id {correlation}", error)
            problem = broken(correlation)
        else:
            problem = error if isinstance(error, HttpProblem) else of_router(error, scope["method"])
        response = problem.response()
        scope["head"], scope["status"] = head_of(response), response.status_code
        return response

    def _tell(self, what: str, error: Exception) -> None:
        """Log every one, since its correlation id is to be found; the same traceback once a minute."""
        frames = frames_of(error)
        new = self._throttle.admit((type(error), frames[-1] if frames else None)) is not None
        shown = error if new else None
        _log.error("%s: %s%s", what, summary(error), "" if new else ", as within the last minute", exc_info=shown)


def _sendable(scope: Scope, response: Response) -> Response:
    """Return an answer that is within the byte budget of its request, and whose head says what we have said."""
    if response.status_code < _PROBLEM and "counted" in scope:  # a problem is small, and has to be told
        scope["byte_budget"].take(len(response.body))
    scope["head"] = head_of(response)
    scope["status"] = response.status_code
    return response
