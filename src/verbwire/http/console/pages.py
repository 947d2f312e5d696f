"""``GET /console`` and its files: the same for everybody, without a byte of data, so that no token is needed.

A browser runs nothing but these files: no inline script or style, no other host, no frame around them, and no text that
becomes markup (Trusted Types: https://www.w3.org/TR/trusted-types/).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import no_parameters

PAGE = "/console"
ASSETS = "/console/assets/"
_HTML = "text/html; charset=utf-8"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",  # asked for again each time, answered with 304 while it is the same
}


class _File(NamedTuple):
    body: bytes
    media_type: str
    tag: str


class ConsolePages:
    """Serves the page and its files, all of which are in memory."""

    @property
    def routes(self) -> Sequence[Route]:
        """The page, and the files below it."""
        return [
            Route(PAGE, self.page),
            Route(PAGE + "/", self.page_without_slash),
            Route(ASSETS + "{path:path}", self.asset),
        ]

    def close(self) -> None:
        """Nothing to let go of."""

    async def page(self, request: Request) -> Response:
        """GET /console."""
        no_parameters(request)
        return _answer(request, self._files["index.html"])

    async def page_without_slash(self, request: Request) -> Response:
        """GET /console/, as people type it: the page's links are relative to /console."""
        no_parameters(request)
        return Response(status_code=308, headers={**_HEADERS, "Location": "../console"})

    async def asset(self, request: Request) -> Response:
        """GET /console/assets/{path}."""
        no_parameters(request)
        found = self._files.get(request.path_params["path"])
        if found is None:
            raise HttpProblem(problem_types.NO_SUCH_PAGE, "the console has no such file: load /console again")
        return _answer(request, found)

    @cached_property
    def _files(self) -> dict[str, _File]:
        return dict(_found(files("verbwire.http.console") / "static", ""))


def is_console_page(path: str) -> bool:
    """Whether a path is the page's or one of its files'."""
    return path in (PAGE, PAGE + "/") or path.startswith(ASSETS)


def _found(folder: Traversable, above: str) -> Iterator[tuple[str, _File]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _found(each, f"{above}{each.name}/")
        else:
            yield above + each.name, _file(each)


def _file(found: Traversable) -> _File:
    body = found.read_bytes()
    kind = found.name.rpartition(".")[2]
    return _File(body, _TYPES.get(kind, _HTML), f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _answer(request: Request, file: _File) -> Response:
    headers = {**_HEADERS, "ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers=headers, media_type=file.media_type)
