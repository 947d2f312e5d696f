"""The middleware of every request: authentication, limits, errors as problems, counting."""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from verbwire.http.access.auth import Authenticator, refused
from verbwire.http.access.path_access import HEALTH, PathAccess
from verbwire.http.access.rates import Rates
from verbwire.http.base import limits
from verbwire.http.base.concurrency import ByteBudget, ConcurrencyLimits
from verbwire.http.base.limits import RequestLimits
from verbwire.http.base.problem import HttpProblem, broken
from verbwire.observability.metrics.http import HttpMetrics
from verbwire.observability.watch.throttle import Throttle
from verbwire.observability.watch.tracebacks import Frame, frames_of, summary
from verbwire.principal import NOBODY, Principal
from verbwire.tracing.http_spans import served, serving
from verbwire.tracing.seam import active, spanning
from verbwire.wire.headers import trace_of

_REFUSAL_SECONDS = 0.01  # longer than any check takes, so the time of a refusal tells nothing of its reason
_UNTRACED = {*HEALTH, "/metrics"}  # asked every few seconds, by machines
_log = logging.getLogger("verbwire.http")


class AccessMiddleware:
    """ASGI middleware. Closed by default: what is not listed as open needs a token, most of it with the operator scope.

    Endpoints find the principal in ``request.scope["principal"]``. Where `access` allows anonymous callers, it is one
    without name and scopes. A request with a token is authenticated by
    it even on public paths; an invalid token is a 401.
    """

    def __init__(
        self,
        app: ASGIApp,
        auth: Authenticator,
        metrics: HttpMetrics,
        access: PathAccess,
        rates: Rates | None = None,
        request_limits: RequestLimits = RequestLimits(),
    ) -> None:
        self._app = app
        self._auth = auth
        self._metrics = metrics
        self._access = access
        self._limits = ConcurrencyLimits(request_limits)
        self._rates = rates or Rates()
        self._throttle = Throttle[tuple[type[Exception], Frame | None]]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong inside becomes a problem, never a closed connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        tracer = active()
        if tracer is None or scope["path"] in _UNTRACED:
            await self._answer(scope, receive, send)
            return
        method, carried = scope["method"], Headers(scope=scope).get("traceparent")
        with spanning(tracer, serving(tracer, method, trace_of(carried))) as span:
            status = await self._answer(scope, receive, send)
            route = scope.get("route")
            served(span, method, route.path if route else None, status)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer it, and return the status."""
        began = time.perf_counter()
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                _require_byte_budget(scope, message)
                status = message["status"]
            if len(message.get("body", b"")) <= limits.PIECE:
                await send(message)
            else:
                await _in_pieces(message, send)

        try:
            await self._admit(scope)
            await self._serve(scope, receive, note)
        except HttpProblem as problem:
            await problem.response()(scope, receive, note)
        except _ByteBudgetExceededError as full:
            await full.problem.response()(scope, receive, note)
        except Exception as error:  # noqa: BLE001 (the last line of defence: logged in full, told in short)
            correlation = str(uuid4())
            self._tell(f"{scope['method']} {scope['path']} broke, correlation id {correlation}", error)
            if not status:
                await broken(correlation).response()(scope, receive, note)
        finally:
            route = scope.get("route")
            self._metrics.answered(route.path if route else None, status, time.perf_counter() - began)
        return status

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within the principal's concurrency limits, which count the request before its body is read.

        And at the principal's rate, unless another worker forwards the request: that has counted it.
        """
        principal: Principal | None = scope.get("principal")
        if principal is None:
            await self._app(scope, receive, send)
            return
        if not scope["forwarded"]:
            self._rates.of(scope["path"]).take(principal.actor)
        limiter = self._limits.of(scope["path"], scope["forwarded"])
        byte_budget = self._limits.byte_budget(principal.actor)
        limiter.take(principal.actor)
        scope["byte_budget"] = byte_budget
        try:
            await self._app(scope, receive, send)
        finally:
            byte_budget.give()
            limiter.give(principal.actor)

    def _tell(self, what: str, error: Exception) -> None:
        """Log every one, since its correlation id is to be found; the same traceback once a minute."""
        frames = frames_of(error)
        new = self._throttle.admit((type(error), frames[-1] if frames else None)) is not None
        _log.error("%s: %s%s", what, summary(error), "" if new else ", as within the last minute", exc_info=new)

    async def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        scope["path"] = scope["raw_path"].decode("ascii")  # keys keep their %2F until they have been cut out
        if scope["path"] not in HEALTH:
            began = time.perf_counter()
            given = headers.getlist("authorization")
            # Said by another worker: a client that says so has no token of that audience.
            scope["forwarded"] = "verbwire-forwarded" in headers
            shown = given[0] if len(given) == 1 else None
            if scope["forwarded"]:
                principal = self._auth.on_behalf(shown, scope)
            else:
                principal = await self._auth.principal(shown)
            if principal is None and not given and not scope["forwarded"] and self._access.for_all(scope["path"]):
                principal = NOBODY
            if principal is None:
                await asyncio.sleep(max(0.0, _REFUSAL_SECONDS - (time.perf_counter() - began)))
                raise refused()
            scope["principal"] = principal
            self._access.require(principal, scope["path"])
            scope["user"] = principal
        limits.check_body(headers)


class _ByteBudgetExceededError(Exception):
    """An answer beyond the byte budget, found out as it is about to be written: a problem takes its place.

    The router, which would answer a problem itself, believes by then that there is an answer.
    """

    def __init__(self, problem: HttpProblem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def _require_byte_budget(scope: Scope, start: Message) -> None:
    byte_budget: ByteBudget | None = scope.get("byte_budget")
    if byte_budget is None or start["status"] >= HTTPStatus.BAD_REQUEST:  # a problem is small, and has to be told
        return
    for name, value in start["headers"]:
        if name == b"content-length":
            try:
                byte_budget.take(int(value))
            except HttpProblem as problem:
                raise _ByteBudgetExceededError(problem) from None
            return


async def _in_pieces(message: Message, send: Send) -> None:
    """Write so that a client which reads slowly is waited for, with its concurrency slot still taken."""
    body: bytes = message["body"]
    last = (len(body) - 1) // limits.PIECE * limits.PIECE
    for start in range(0, last, limits.PIECE):
        await send({"type": message["type"], "body": body[start : start + limits.PIECE], "more_body": True})
    await send({**message, "body": body[last:]})
