"""Reading a handler's signature: which message it is for, and whether it wants a context."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from verbwire.errors import ContractError, WrongVerbError
from verbwire.messages import Command, Event, Kind, Message, Rejected, State

M = TypeVar("M", bound=Message)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Handler:
    """A user's function and what its annotations say of it."""

    function: Callable[..., Any]
    message: type[Message]
    wants_context: bool
    takes: int = 2  # parameters, without the context
    is_async: bool = False

    def call(self, first: object, second: object, context: Callable[[], object]) -> Any:
        """Call a function of state and message; `context` is built only for one that asks for it."""
        if self.wants_context:
            return self.function(first, second, context())
        return self.function(first, second)

    def call_alone(self, message: object, context: Callable[[], object]) -> Any:
        """Call a function of a message alone; `context` is built only for one that asks for it."""
        return self.function(message, context()) if self.wants_context else self.function(message)

    @property
    def where(self) -> str:
        """Module and name, for error messages."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


def read_handler(
    function: Callable[..., Any],
    kind: Kind,
    position: int,
    shape: str,
    *,
    takes: int = 2,
    extra: str = "context",
    may_wait: bool = False,
) -> Handler:
    """Return the handler that `function` is; `position` is the index of the message among its `takes` parameters.

    One more parameter, called `extra`, may follow them. It may be asynchronous where it `may_wait`.

    Raises :class:`WrongVerbError` when the message is of another kind, :class:`ContractError` when an annotation
    is missing or an event handler says that it may reject.
    """
    where = f"{function.__module__}.{function.__qualname__}"
    _require_plain(function, where, may_wait)
    wants_context = _wants(function, where, shape, takes, extra)
    parameters = list(inspect.signature(function).parameters.values())
    hints = typing.get_type_hints(function)
    message = hints.get(parameters[position].name)
    if not (isinstance(message, type) and issubclass(message, Message) and message.__contract__):
        raise ContractError(f"{where}: annotate `{parameters[position].name}` with a generated class: write {shape}")
    if message.__kind__ != kind:
        raise WrongVerbError(
            f"{where} handles {message.__name__}, which is {_a(message.__kind__)}: only {_a(kind)} fits here"
        )
    if issubclass(message, Event) and Rejected in _members(hints.get("return")):
        raise ContractError(f"{where} may return Rejected: an event states what happened and cannot be refused")
    return Handler(function, message, wants_context, takes, inspect.iscoroutinefunction(function))


def read_outcome_handler(function: Callable[..., Any], command: type[Command]) -> Handler:
    """Return the handler of a command's outcome: ``(state, outcome)``, and `context` where it wants one."""
    where = f"{function.__module__}.{function.__qualname__}"
    require_command(command, f"{where} handles the outcome of")
    _require_plain(function, where)
    return Handler(
        function, command, _wants(function, where, "(state: YourState | None, outcome: Outcome)", 2, "context")
    )


def read_moment_handler(function: Callable[..., Any], shape: str, *, takes: int = 1, extra: str = "context") -> Handler:
    """Return the handler of something that no message brings: of a state, and what else it `takes`."""
    where = f"{function.__module__}.{function.__qualname__}"
    _require_plain(function, where)
    return Handler(function, State, _wants(function, where, shape, takes, extra), takes)


def require_class(cls: type[M], base: type[Message], what: str) -> type[M]:
    """Return the class; :class:`ContractError` where it is of another kind than `base` is for."""
    if not (isinstance(cls, type) and issubclass(cls, base)):
        kind = getattr(cls, "__kind__", None)
        said = f"is of kind {kind}" if kind else "is no generated class"
        name = getattr(cls, "__name__", repr(cls))
        wanted = base.__kind__
        raise ContractError(f'{what}: {name} {said}, and a {wanted} is wanted: give its schema "kind": "{wanted}"')
    return cls


def require_command(command: object, what: str) -> None:
    """Raise :class:`WrongVerbError` where `command` is no generated class of a command."""
    if not (isinstance(command, type) and issubclass(command, Command) and command.__contract__):
        raise WrongVerbError(f"{what} {command!r}, which is no command")


def add_handler(
    handlers: dict[type[M], Handler], handler: Handler, kind: type[M], namespace: str | None = None
) -> type[M]:
    """Add a handler under the class of its message, and return that class.

    :class:`ContractError` where the message has one already, or is not of the `namespace` that is named.
    """
    message = handler.message
    assert issubclass(message, kind)  # noqa: S101 (it was read as one of this kind)
    if message in handlers:
        raise ContractError(f"{handler.where}: {message.__name__} has a handler already, {handlers[message].where}")
    if namespace is not None and message.__contract__.rpartition(".")[0] != namespace:
        raise ContractError(f"{handler.where}: {message.__contract__} is not a {kind.__kind__} of {namespace}")
    handlers[message] = handler
    return message


def _require_plain(function: Callable[..., Any], where: str, may_wait: bool = False) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ContractError(f"{where} is a generator: handlers are plain functions, effects come after them")
    if inspect.iscoroutinefunction(function) and not may_wait:
        raise ContractError(
            f"{where} is asynchronous: handlers are plain functions here, a transaction waits for them and a replay "
            "repeats them, so there is nothing that they may wait for: let a subscriber, a job or a responder do that"
        )


def _wants(function: Callable[..., Any], where: str, shape: str, takes: int, extra: str) -> bool:
    """Whether it takes one parameter more, called `extra`; ContractError where its parameters are others."""
    parameters = list(inspect.signature(function).parameters.values())
    wants = len(parameters) == takes + 1 and parameters[takes].name == extra
    if (len(parameters) != takes and not wants) or any(each.kind not in _POSITIONAL for each in parameters):
        raise ContractError(
            f"{where} takes {len(parameters)} parameters: write {shape}, and add `{extra}` if you need it"
        )
    return wants


def _a(kind: Kind) -> str:
    return f"an {kind}" if kind is Kind.EVENT else f"a {kind}"


def _members(annotation: Any) -> set[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return set(typing.get_args(annotation))
    return {annotation}
