"""A resource: what handlers with side effects hold open while their worker runs, such as a pool of connections."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, Generic, TypeVar, overload

from verbwire.errors import ConfigurationError, ContractError

T = TypeVar("T")


class Resource(Generic[T]):
    """What a worker opens before it serves, and closes after the last handler is back; made by :func:`resource`.

    Every worker opens it that hosts a group of a module which names it, and all of them where such a module has a
    responder, since every worker answers queries. They are opened one after another, in the order in which the modules
    name them, and closed the other way round.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._values: list[T] = []  # the last one counts

    @property
    def where(self) -> str:
        """Module and name, for people."""
        return f"{self._function.__module__}.{self._function.__qualname__}"

    @property
    def is_open(self) -> bool:
        """Whether there is a value now."""
        return bool(self._values)

    @property
    def value(self) -> T:
        """What the function has yielded; :class:`ConfigurationError` where no worker has it open."""
        if not self._values:
            raise ConfigurationError(
                f"{self.where} is not open: workers open it that host a group of a module which names it; in a test, "
                "give it to InMemory, or a value of your own by `holding`"
            )
        return self._values[-1]

    @contextmanager
    def holding(self, value: T) -> Iterator[T]:
        """Let this be its value while the block runs: in tests, in place of what the function would open."""
        self._values.append(value)
        try:
            yield value
        finally:
            self._values.remove(value)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[T]:
        """Open it, in the running loop, and close it at the block's end; plain functions run on another thread."""
        async with _entered(self._function()) as value:
            with self.holding(value):
                yield value


@overload
def resource(function: Callable[[], AsyncIterator[T]]) -> Resource[T]: ...
@overload
def resource(function: Callable[[], Iterator[T]]) -> Resource[T]: ...
def resource(function: Callable[[], Any]) -> Resource[Any]:
    """Declare what is open while a worker runs: a function without parameters that yields it once.

    ::

        @resource
        async def customers() -> AsyncIterator[Pool]:
            async with create_pool(os.environ["CUSTOMERS"]) as pool:
                yield pool

    Handlers find it in ``customers.value``. One that raises before it yields ends the worker's start. An asynchronous
    one is opened in the loop in which asynchronous handlers run. :class:`ContractError` for another kind of function.
    """
    where = f"{function.__module__}.{function.__qualname__}"
    if inspect.isasyncgenfunction(function):
        managed = asynccontextmanager(function)
    elif inspect.isgeneratorfunction(function):
        managed = contextmanager(function)  # type: ignore[assignment] # both return what `_entered` takes
    else:
        raise ContractError(f"{where} yields nothing: a resource is a function that opens it, yields it, and closes it")
    if inspect.signature(function).parameters:
        raise ContractError(f"{where} takes parameters: a resource is opened without any")
    return Resource(managed)


@asynccontextmanager
async def _entered(manager: AbstractAsyncContextManager[T] | AbstractContextManager[T]) -> AsyncIterator[T]:
    if isinstance(manager, AbstractAsyncContextManager):
        async with manager as value:
            yield value
        return
    yield await asyncio.to_thread(manager.__enter__)
    await asyncio.to_thread(manager.__exit__, None, None, None)
