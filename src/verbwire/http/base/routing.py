"""Finds the endpoint of a path: by its first segment and the number of them, not by trying every route in turn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

Answer: TypeAlias = Response | Awaitable[Response]
"""What an endpoint returns: an answer that needed no waiting, or what to await for it."""
Endpoint: TypeAlias = Callable[[Request], Answer]

_ANY = 0  # the number of segments of a route that takes the rest of a path, whatever that is


class RouteTable:
    """The routes of an application. Where several match, the first one counts, as in Starlette's router."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._places: dict[tuple[str, int], list[Route]] = defaultdict(list)
        for route in routes:
            first, count = _place(route.path)
            self._places[first, _ANY if ":path}" in route.path else count].append(route)

    def find(self, scope: Scope) -> Endpoint:
        """Return the endpoint of a request, and note route and parameters in its scope.

        Starlette's 404 where there is none, 405 where it is one of other methods.
        """
        path, method = scope["path"], scope["method"]
        first, count = _place(path)
        others = None
        for place in ((first, count), (first, _ANY)):
            for route in self._places.get(place, ()):
                if (match := route.path_regex.match(path)) is None:
                    continue
                if method in (route.methods or ()):
                    scope["route"], scope["path_params"] = route, match.groupdict()
                    return route.endpoint
                others = others or route
        if others is None:
            raise HTTPException(404)
        scope["route"] = others
        raise HTTPException(405, headers={"Allow": ", ".join(others.methods or ())})


def _place(path: str) -> tuple[str, int]:
    segments = path.split("/", 2)
    return segments[1] if len(segments) > 1 else "", 1 + path.count("/")
