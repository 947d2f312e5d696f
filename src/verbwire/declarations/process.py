"""A process manager: handles events and the outcomes of its commands, and sends the next ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast, overload

from verbwire.declarations.context import Context, OutcomeContext
from verbwire.declarations.deadline import Deadline
from verbwire.declarations.handlers import (
    Handler,
    add_handler,
    read_handler,
    read_moment_handler,
    read_outcome_handler,
    require_class,
    require_command,
)
from verbwire.declarations.parking import PARKING, Parking
from verbwire.declarations.sends import require_scopes
from verbwire.declarations.sent import Sent
from verbwire.errors import ContractError
from verbwire.messages import Accepted, Command, Event, Kind, Outcome, Rejected, State
from verbwire.names import require_dotted, require_tag

S = TypeVar("S", bound=State)
E = TypeVar("E", bound=Event)
R = TypeVar("R")
N = TypeVar("N", bound="Next")
C = TypeVar("C", bound=Command)
A = TypeVar("A", bound="Next | Rejected")

Next: TypeAlias = State | tuple[State | None, *tuple[Sent | Deadline | Accepted[Any] | Rejected, ...]] | None
"""What a handler of a process returns: its new state, or None when it is over; alone or with what comes of it.

That are commands, deadlines, and the outcome of the command that the instance has received and not answered yet.
"""

STATE = "state"  # the name of a process's table within its group


class EventDecorator(Protocol[S]):
    """Keeps the type of a handler of events."""

    @overload
    def __call__(self, function: Callable[[S | None, E], N]) -> Callable[[S | None, E], N]: ...
    @overload
    def __call__(self, function: Callable[[S, E], N]) -> Callable[[S, E], N]: ...
    @overload
    def __call__(self, function: Callable[[S | None, E, Context], N]) -> Callable[[S | None, E, Context], N]: ...
    @overload
    def __call__(self, function: Callable[[S, E, Context], N]) -> Callable[[S, E, Context], N]: ...


class OutcomeDecorator(Protocol[S, R]):
    """Keeps the type of a handler of outcomes."""

    @overload
    def __call__(self, function: Callable[[S | None, Outcome[R]], N]) -> Callable[[S | None, Outcome[R]], N]: ...
    @overload
    def __call__(self, function: Callable[[S, Outcome[R]], N]) -> Callable[[S, Outcome[R]], N]: ...
    @overload
    def __call__(
        self, function: Callable[[S | None, Outcome[R], OutcomeContext], N]
    ) -> Callable[[S | None, Outcome[R], OutcomeContext], N]: ...
    @overload
    def __call__(
        self, function: Callable[[S, Outcome[R], OutcomeContext], N]
    ) -> Callable[[S, Outcome[R], OutcomeContext], N]: ...


class DueDecorator(Protocol[S]):
    """Keeps the type of a handler of a deadline."""

    @overload
    def __call__(self, function: Callable[[S], N]) -> Callable[[S], N]: ...
    @overload
    def __call__(self, function: Callable[[S, datetime], N]) -> Callable[[S, datetime], N]: ...


class Process(Generic[S]):
    """A process manager (saga): one instance per key. Handlers get state and an event or outcome, and return commands.

    Guarantee: each event, and the outcome of each command that it sent, is dealt with exactly once; new state and
    commands become visible together or not at all. The ids of its commands derive from their cause, so that a repeat
    is the same command. `sends` lists the commands it may send, `scopes` is what its commands may do: it acts on its
    own behalf, its name is the actor. Each command that it sends needs a function for its outcome, unless its contract
    says that it has none, or it is among those that the process `ignores`.
    (Commands that only an earlier version sent may be named there, too: for instances of that time.)

    A handler returns the new state, or None when the instance is over, alone or followed by commands and deadlines:
    ``return state, PlaceOrder(...), Deadline("payment", after=timedelta(minutes=15))``. Where one raises its record is
    parked, and with it all later ones of that instance, until an operator has them tried again. So is the outcome of a
    command that is neither handled here nor ignored, while its instance is under way. With more of them than `parking`
    says, or without it (None), the partition stops, and says where.

    `version` is what new instances begin with. Other handlers for the same process stand in another `Process` of the
    same name with a higher version; as long as both are declared, an instance goes on with the version that it began
    with. What comes for one of a version that is not declared any more is treated like what raises: it never runs on
    other code.
    """

    def __init__(
        self,
        name: str,
        *,
        state: type[S],
        sends: Sequence[type[Command]] = (),
        ignores: Sequence[type[Command]] = (),
        scopes: Sequence[str] = (),
        parking: Parking | None = PARKING,
        version: int = 1,
    ) -> None:
        self.group = require_dotted(name, "process")
        if type(version) is not int or version < 1:
            raise ContractError(f"process {name}: version={version!r}, use a whole number from 1 on")
        self.version = version
        self.others: tuple[Process[Any], ...] = ()  # earlier ones, where this stands for all: `process_versions`
        self.table = STATE
        self.state = require_class(state, State, f"process {name}")
        self.sends = tuple(sends)
        self.scopes = require_scopes(self.group, scopes)
        self.parking = parking
        self.handlers: dict[type[Event], Handler] = {}
        self.keys: dict[type[Event], str] = {}  # event -> its field that names the instance
        self.outcomes: dict[type[Command], Handler] = {}
        self.ignored = frozenset(ignores)
        self.receivers: dict[type[Command], Handler] = {}
        self.deadlines: dict[str, Handler] = {}
        self.undoing: Handler | None = None  # what a cancelled instance does
        for command in self.sends:
            require_command(command, f"process {name} sends")
        for command in ignores:
            require_command(command, f"process {name} ignores the outcome of")

    def on(self, *, key: str) -> EventDecorator[S]:
        """Register the handler of an event: ``(state | None, event) -> state | None | (state | None, *commands)``.

        `key` is the event's field that names the instance: the key of its state.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            handler = read_handler(function, Kind.EVENT, 1, "(state: YourState | None, event: YourEvent)")
            if key not in handler.message.__struct_fields__:
                raise ContractError(f"{handler.where}: {key!r} is no field of {handler.message.__name__}")
            self.keys[add_handler(self.handlers, handler, Event)] = key
            return function

        return cast("EventDecorator[S]", register)

    @overload
    def receives(self, function: Callable[[S | None, C], A]) -> Callable[[S | None, C], A]: ...
    @overload
    def receives(self, function: Callable[[S | None, C, Context], A]) -> Callable[[S | None, C, Context], A]: ...
    def receives(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register the handler of a command that the process answers: ``(state | None, command) -> ...``.

        The process is the one receiver of that command's namespace; the command's key is the instance's. It returns
        what an event's handler would. The outcome is entered when a handler returns it, this one or any later one:
        ``return state, Accepted()`` with the reply that the contract names, or ``return None, Rejected("too_many")``;
        ``return Rejected(...)`` alone leaves the instance as it was. An instance that ends without an answer has
        accepted, unless a reply was promised: then it has failed.

        Guarantee: one outcome per command id, in the transaction of the step that gives it; who asks may wait for it,
        or come back for it. An instance has one command without an answer at a time: another one is answered at once,
        or fails.
        """
        handler = read_handler(function, Kind.COMMAND, 1, "(state: YourState | None, command: YourCommand)")
        add_handler(self.receivers, handler, Command, self.namespace)
        return function

    @property
    def namespace(self) -> str | None:
        """The namespace of the commands that it receives, None where it receives none."""
        return next((command.__contract__.rpartition(".")[0] for command in self.receivers), None)

    def outcome_of(self, command: type[Command[R]]) -> OutcomeDecorator[S, R]:
        """Register the handler of the outcomes of one of its commands: ``(state | None, outcome) -> ...``.

        The outcome is `Accepted`, `Rejected`, `Failed` or `Expired`; the handler returns what an event's would. Its
        `context`, where it asks for one, is an :class:`~verbwire.OutcomeContext`: it tells which command was answered.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            handler = read_outcome_handler(function, command)
            if command not in self.sends:
                raise ContractError(f"{handler.where}: {command.__name__} is not among what {self.group} sends")
            if command in self.ignored:
                raise ContractError(
                    f"process {self.group} both handles and ignores the outcome of {command.__name__}: remove one"
                )
            add_handler(self.outcomes, handler, Command)
            return function

        return cast("OutcomeDecorator[S, R]", register)

    def due(self, name: str) -> DueDecorator[S]:
        """Register what is done when a deadline of that name is due: ``(state) -> state | None | (state | None, ...)``.

        It decides with the state of that moment; `due`, where it asks for that, is when it was due. A handler sets a
        deadline by returning a :class:`~verbwire.Deadline`. The name may have 24 letters, digits, dots, - and _.
        """
        require_tag(name)

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            handler = read_moment_handler(function, "(state: YourState)", extra="due")
            if name in self.deadlines:
                raise ContractError(f"{handler.where}: {name!r} has a handler already, {self.deadlines[name].where}")
            self.deadlines[name] = handler
            return function

        return cast("DueDecorator[S]", register)

    def cancelled(self, function: Callable[[S, str], N]) -> Callable[[S, str], N]:
        """Register what is done when an operator cancels an instance: ``(state, reason) -> None | (None, *commands)``.

        It returns what any handler does: None and the commands that undo what was done, or a state, if that takes more
        steps. Without such a handler a cancelled instance is over at once.
        """
        handler = read_moment_handler(function, "(state: YourState, reason: str)", takes=2)
        if self.undoing is not None:
            raise ContractError(f"{handler.where}: {self.group} has a handler already, {self.undoing.where}")
        self.undoing = handler
        return function

    @property
    def versions(self) -> tuple[Process[Any], ...]:
        """All versions of it that are declared, the newest first."""
        return self.others or (self,)

    @property
    def sources(self) -> list[str]:
        """The namespaces of its events."""
        return sorted({event.__contract__.rpartition(".")[0] for event in self.handlers})

    @property
    def answering(self) -> list[str]:
        """The namespaces of the commands whose outcomes it handles."""
        return sorted({command.__contract__.rpartition(".")[0] for command in self.outcomes})
