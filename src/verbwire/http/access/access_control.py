"""What stands before every endpoint: authentication, access by path, rates, concurrency limits.

Nearly all of it is known at once: a token that was checked a moment ago, a limit that is not reached. So
:meth:`AccessControl.admit` is a plain call, and what it returns is awaited only where something has to be waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple

from starlette.types import Scope

from verbwire.http.access.auth import Authenticator, refused
from verbwire.http.access.path_access import HEALTH, PathAccess
from verbwire.http.access.rates import Rates
from verbwire.http.base import limits
from verbwire.http.base.concurrency import ConcurrencyLimits
from verbwire.http.base.limits import RequestLimits
from verbwire.http.base.requests import fields_of
from verbwire.principal import NOBODY, Principal

_REFUSAL_SECONDS = 0.01  # longer than any check takes, so the time of a refusal tells nothing of its reason
_FORWARDED = b"verbwire-forwarded"


class AccessControl:
    """Closed by default: what is not listed as open needs a token, most of it with the operator scope.

    Endpoints find the principal in ``request.scope["principal"]``. Where `access` allows anonymous callers, it is one
    without name and scopes. A request with a token is authenticated by it even on public paths; an invalid token is a
    401. Used on HTTP's loop only.
    """

    def __init__(
        self,
        auth: Authenticator,
        access: PathAccess,
        rates: Rates | None = None,
        request_limits: RequestLimits = RequestLimits(),
    ) -> None:
        self._auth = auth
        self._access = access
        self._limits = ConcurrencyLimits(request_limits)
        self._rates = rates or Rates()

    def admit(self, scope: Scope) -> Awaitable[None] | None:
        """Let a request in, or raise its problem; None where nothing is left to wait for.

        It is counted among the principal's, from before its body is read: :meth:`leave` when it has been answered.
        """
        path = scope["path"] = scope["raw_path"].decode("ascii")  # keys keep their %2F until they have been cut out
        head = _Head.of(fields_of(scope))
        if path in HEALTH:
            limits.check_body(head.length, chunked=head.chunked)
            return None
        began = time.perf_counter()
        # Said by another worker: a client that says so has no token of that audience.
        scope["forwarded"] = head.forwarded
        if head.forwarded:
            principal = self._auth.on_behalf(head.authorization, scope)
        else:
            principal = self._auth.known(head.authorization)
            if principal is None and head.authorization is not None:
                return self._authenticated(scope, head, began)
            if principal is None and not head.authorizations and self._access.for_all(path):
                principal = NOBODY
        if principal is None:
            return _refused(began)
        self._enter(scope, head, principal)
        return None

    def leave(self, scope: Scope) -> None:
        """Take a request from the count, once its answer is written."""
        if (principal := scope.get("counted")) is not None:
            scope["byte_budget"].give()
            self._limits.of(scope["path"], scope["forwarded"]).give(principal.actor)

    async def _authenticated(self, scope: Scope, head: _Head, began: float) -> None:
        principal = await self._auth.principal(head.authorization)
        if principal is None:
            await _refused(began)
        else:
            self._enter(scope, head, principal)

    def _enter(self, scope: Scope, head: _Head, principal: Principal) -> None:
        """Count the request by the principal's limits, and by their rate unless another worker has done that."""
        path, forwarded = scope["path"], head.forwarded
        scope["principal"] = principal
        self._access.require(principal, path)
        limits.check_body(head.length, chunked=head.chunked)
        if not forwarded:
            self._rates.of(path).take(principal.actor)
        self._limits.of(path, forwarded).take(principal.actor)
        scope["byte_budget"] = self._limits.byte_budget(principal.actor)
        scope["counted"] = principal


class _Head(NamedTuple):
    """What of a request's head decides whether it is let in."""

    authorization: str | None  # where it stands there once
    authorizations: int
    forwarded: bool
    length: bytes | None
    chunked: bool

    @classmethod
    def of(cls, fields: Mapping[bytes, Sequence[bytes]]) -> _Head:
        found, length = fields.get(b"authorization", ()), fields.get(b"content-length")
        return cls(
            found[0].decode("latin-1") if len(found) == 1 else None,
            len(found),
            _FORWARDED in fields,
            None if length is None else length[0],
            b"transfer-encoding" in fields,
        )


async def _refused(began: float) -> None:
    await asyncio.sleep(max(0.0, _REFUSAL_SECONDS - (time.perf_counter() - began)))
    raise refused()
