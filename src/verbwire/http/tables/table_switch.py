"""Which generation of a rebuilt table answers: one for all of a request, wherever its rows are read.

While a switch is under way nobody answers: requests wait. One that has begun before ends on the generation that it has
begun with, and the worker says that it has paused only when there is none left of those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from starlette.responses import Response

from verbwire.http.base import problem_types
from verbwire.http.base.problem import unavailable
from verbwire.http.base.routing import Answer

T = TypeVar("T")  # what reads one generation
_LOOK_SECONDS = 0.02  # a switch takes a second, and is rare
_PATIENCE = 5.0  # seconds that a request waits for the end of one
_RETRY_SECONDS = 1


class TableSwitch(Generic[T]):
    """The generations of one table that are here. Asked on HTTP's loop; moved by any other thread."""

    def __init__(self, name: str, elsewhere: Callable[[int], T]) -> None:
        self._name = name
        self._make = elsewhere
        self._elsewhere: dict[int, T] = {}  # what stands for those that other workers have, this one not
        self._here: dict[int, T] = {}  # replaced, never changed
        self._serving = 0
        self._paused = False
        self._in_flight = 0
        self._told = False  # whether there was a word about it: else workers of a release before may be asked, too

    @property
    def serving(self) -> int:
        """The number of the generation that answers, or will when the pause is over."""
        return self._serving

    @property
    def table(self) -> T:
        """That generation, or what stands for it where it is not here."""
        return self._table(self._serving)

    @property
    def drained(self) -> bool:
        """Whether nobody is answered, and nobody is about to be."""
        return self._paused and not self._in_flight

    # -- from any thread

    def add(self, number: int, table: T) -> None:
        """A generation is hosted here from now on."""
        self._here = {**self._here, number: table}

    def remove(self, number: int) -> None:
        """It is not any more."""
        self._here = {each: table for each, table in self._here.items() if each != number}

    def pause(self) -> None:
        """Begin no answer until :meth:`serve`."""
        self._told = self._paused = True

    def serve(self, number: int) -> None:
        """Answer from this generation on."""
        self._told = True
        self._serving, self._paused = number, False

    # -- on HTTP's loop

    def answer(self, asked: int | None, read: Callable[[T, int | None], Answer]) -> Answer:
        """Return what `read` makes of the generation that answers, or of the one that another worker has `asked` for.

        It is given the number, too, for the workers that it asks; None where they need not know it. 503 where that is
        not to be had now.
        """
        self._in_flight += 1  # before it is looked at: who pauses looks at it after
        waits = False
        try:
            if self._paused:
                if asked is not None:  # who asks is counted as under way over there, and would wait for us
                    raise self._switching()
                return self._later(read)
            number = self._serving if asked is None else asked
            found = read(self._table(number), number if self._told else None)
            if isinstance(found, Response):
                return found
            waits = True
            return self._counted(found)
        finally:
            if not waits:
                self._in_flight -= 1

    async def _counted(self, found: Awaitable[Response]) -> Response:
        try:
            return await found
        finally:
            self._in_flight -= 1

    async def _later(self, read: Callable[[T, int | None], Answer]) -> Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while self._paused:
            if loop.time() > deadline:
                raise self._switching()
            await asyncio.sleep(_LOOK_SECONDS)
        found = self.answer(None, read)
        return found if isinstance(found, Response) else await found

    def _switching(self) -> Exception:
        detail = f"table {self._name} is being switched to what was rebuilt: ask again"
        return unavailable(problem_types.NOT_READY, detail, _RETRY_SECONDS)

    def _table(self, number: int) -> T:
        found = self._here.get(number) or self._elsewhere.get(number)
        if found is None:
            found = self._elsewhere[number] = self._make(number)
        return found
