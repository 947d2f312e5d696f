"""What the console asks, beside tables, queries, commands and outcomes: ``/console/api/...``.

Who is signed in, and the catalog, are for everybody with a token; all else for operators (http/access/path_access.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.errors import ConfigurationError, ContractError, DeployError, MessageError, RebuildError, UnavailableError
from verbwire.http.avro_json import encode
from verbwire.http.base import limits, problem_types
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.base.requests import json_bytes, no_parameters, path_parameter, principal_of
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.commands.body import json_of, read_body
from verbwire.http.console.shared_answers import SharedAnswers
from verbwire.wire.json.numbers import exact, whole

API = "/console/api/"
B = TypeVar("B")
Look = Callable[..., Any]
"""Answers one question of operators, given the parts of its path by their names. It blocks: call it off the loop."""


@dataclass(frozen=True)
class Act:
    """Something that operators do: `do` is called with the `body` that was sent, who sent it, and parts of the path."""

    body: type[Any]
    do: Callable[..., Any]


class ConsoleApi:
    """Answers the console. `about` is what it says of this worker; `looks` and `acts` stand under their paths.

    Looks that are `costly` are made less often. `closing` are called when it is closed: what looks hold on to.
    """

    def __init__(
        self,
        about: Mapping[str, Any],
        catalog: Mapping[str, Any],
        looks: Mapping[str, Look],
        acts: Mapping[str, Act],
        costly: Collection[str] = (),
        closing: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._about = about
        self._catalog = msgspec.json.encode(catalog)
        self._looks = looks
        self._acts = acts
        self._costly = costly
        self._closing = closing
        self._readers = BoundedThreadPool(limits.LOOKERS, limits.LOOKING)
        self._answers = SharedAnswers(self._readers)

    @property
    def routes(self) -> Sequence[Route]:
        """The paths it answers."""
        return [
            Route(API + "session", self.session),
            Route(API + "catalog", self.catalog),
            # What is done has the narrower paths: one of them is no dead letter called "find", and takes POST alone.
            *(Route(API + path, self._done(act), methods=["POST"]) for path, act in self._acts.items()),
            *(Route(API + path, self._asked(path, look)) for path, look in self._looks.items()),
        ]

    def close(self) -> None:
        """Let go of the threads, and of what looks hold on to."""
        self._readers.close()
        for each in self._closing:
            each()

    async def session(self, request: Request) -> Response:
        """GET /console/api/session: who is signed in, and where."""
        no_parameters(request)
        principal = principal_of(request)
        return json_bytes(encode.encode({**self._about, "actor": principal.actor, "scopes": sorted(principal.scopes)}))

    async def catalog(self, request: Request) -> Response:
        """GET /console/api/catalog: the messages and tables of the project."""
        no_parameters(request)
        return json_bytes(self._catalog)

    def _asked(self, path: str, look: Look) -> Callable[[Request], Awaitable[Response]]:
        seconds = limits.COSTLY_LOOK_SECONDS if path in self._costly else limits.LOOK_SECONDS

        async def answer(request: Request) -> Response:
            no_parameters(request)
            named = {name: path_parameter(request, name) for name in request.path_params}
            with _told_as_problems():
                found = await self._answers.get((path, *named.values()), lambda: _found(look, named), seconds)
            return json_bytes(found)

        return answer

    def _done(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            no_parameters(request)
            named = {name: path_parameter(request, name) for name in request.path_params}
            wanted = _read(await read_body(request, limits.CommandLimits().body_seconds), act.body)
            who = principal_of(request)
            with _told_as_problems():
                try:
                    return json_bytes(await self._readers.run(lambda: _found(partial(act.do, wanted, who), named)))
                finally:
                    self._answers.forget()

        return answer


def _found(look: Look, named: Mapping[str, str]) -> bytes:
    return encode.encode(exact(msgspec.to_builtins(look(**named))))


def _read(body: bytes, type: type[B]) -> B:
    try:
        return msgspec.convert(_whole(json_of(body)), type)
    except msgspec.MsgspecError as error:
        raise HttpProblem(problem_types.BAD_BODY, f"the body does not say what to do: {error}") from None


def _whole(value: Any) -> Any:
    """Return a value with all numbers that are whole as integers."""
    match value:
        case dict():
            return {name: _whole(each) for name, each in value.items()}
        case list():
            return [_whole(each) for each in value]
        case _:
            return whole(value)


@contextmanager
def _told_as_problems() -> Iterator[None]:
    """Tell the errors of looks as problems. What is missing or contradicts itself is the request's fault."""
    try:
        yield
    except UnavailableError as error:
        raise unavailable(problem_types.UNANSWERED, str(error), 2) from error
    except (DeployError, RebuildError) as error:
        raise HttpProblem(problem_types.NOT_DONE, str(error)) from error
    except (ConfigurationError, ContractError, MessageError) as error:
        raise HttpProblem(problem_types.NOTHING_THERE, str(error)) from error
