"""Access by path: for everyone, for authenticated principals, or for those with a scope.

What they may do there is another question: the contract decides it, or the receiver of the command.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from verbwire.http.access.auth import require
from verbwire.principal import NOBODY, Principal
from verbwire.security.tokens import METRICS, OPERATOR

HEALTH = frozenset({"/health/live", "/health/ready"})
_METRICS = "/metrics"
_CONTRACTS = (
    *("/commands/", "/queries/", "/outcomes/", "/openapi.json"),
    *("/console/api/session", "/console/api/catalog"),
)
_METRICS_ALONE = frozenset({METRICS})
_OPENED = {"metrics": _METRICS, "openapi": "/openapi.json"}  # by their names in the setting http_open


class PathAccess:
    """What of HTTP is for whom. `opened` are names of the setting ``http_open``; `public` knows public queries.

    `static` knows the files that hold no data: whoever asks gets them, with a token or without.
    """

    def __init__(
        self,
        opened: Collection[str] = (),
        public: Callable[[str], bool] = lambda _: False,
        static: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._opened = frozenset(_OPENED[name] for name in opened)
        self._public = public
        self._static = static

    def for_all(self, path: str) -> bool:
        """Whether anonymous callers may go there."""
        return path in self._opened or self._public(path) or self._static(path)

    def require(self, principal: Principal, path: str) -> None:
        """Raise the 403 problem unless this principal may come there.

        A token with the scope of the metrics alone reads them and nothing else: such a token lives long, where
        others can read it.
        """
        if (path in self._opened and principal is NOBODY) or self._static(path):
            return
        if path == _METRICS and OPERATOR not in principal.scopes:
            require(principal, METRICS)
        elif principal.scopes == _METRICS_ALONE or not path.startswith(_CONTRACTS):
            require(principal, OPERATOR)
