"""A process manager: hears what happened and what became of its commands, and sends the next ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from verbwire.declarations.handlers import (
    Handler,
    add_handler,
    read_handler,
    read_outcome_handler,
    require_command,
)
from verbwire.errors import ContractError
from verbwire.messages import Command, Event, Kind, Row
from verbwire.names import require_dotted

S = TypeVar("S", bound=Row)
STATE = "state"  # the name of a process's table within its group


class Process(Generic[S]):
    """Leads one undertaking, step by step, over several aggregates: state and event, or outcome, in; commands out.

    Guarantee: each event, and the outcome of each command that it sent, is dealt with exactly once; new state and
    commands become visible together or not at all. The ids of its commands derive from their cause, so that a repeat
    is the same command. `sends` lists the commands it may send, `scopes` is what its commands may do: it acts on its
    own behalf, its name is the actor.

    A handler returns the new state, or None when the undertaking is over, alone or followed by commands:
    ``return state, PlaceOrder(...)``. One that raises stops its partition and says where. So does the outcome of a
    command that nothing here is about, neither `outcome_of` nor `ignores`, while its undertaking is under way.
    """

    def __init__(
        self, name: str, *, state: type[S], sends: Sequence[type[Command]] = (), scopes: Sequence[str] = ()
    ) -> None:
        self.group = require_dotted(name, "process")
        self.table = STATE
        self.state = state
        self.sends = tuple(sends)
        self.scopes = tuple(scopes)
        self.handlers: dict[type[Event], Handler] = {}
        self.keys: dict[type[Event], str] = {}  # event -> its field that names the undertaking
        self.outcomes: dict[type[Command], Handler] = {}
        self.ignored: set[type[Command]] = set()
        for command in self.sends:
            require_command(command, f"process {name} sends")

    def on(self, key: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register what an event leads to: ``(state | None, event) -> state | None | (state | None, *commands)``.

        `key` is the event's field that names the undertaking: the key of its state.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            handler = read_handler(function, Kind.EVENT, 1, "(state: YourState | None, event: YourEvent)")
            if key not in handler.message.__struct_fields__:
                raise ContractError(f"{handler.where}: {key!r} is no field of {handler.message.__name__}")
            self.keys[add_handler(self.handlers, handler, Event)] = key
            return function

        return register

    def outcome_of(self, command: type[Command]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register what the outcome of one of its own commands leads to: ``(state | None, outcome) -> ...``.

        The outcome is `Accepted`, `Rejected`, `Failed` or `Expired`; the handler returns what an event's would. Its
        `context`, where it asks for one, is an :class:`~verbwire.OutcomeContext`: it tells which command was answered.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            handler = read_outcome_handler(function, command)
            if command not in self.sends:
                raise ContractError(f"{handler.where}: {command.__name__} is not among what {self.group} sends")
            self._require_one_answer(command, command in self.ignored)
            add_handler(self.outcomes, handler, Command)
            return function

        return register

    def ignores(self, *commands: type[Command]) -> None:
        """Say that it does not matter what becomes of these commands of its own: their outcomes are passed over.

        Every other command that it sends needs a function for its outcome, unless its contract says that it has none.
        Commands that only an earlier version of the process sent may be named, too: for undertakings of that time.
        """
        for command in commands:
            require_command(command, f"process {self.group} ignores the outcome of")
            self._require_one_answer(command, command in self.outcomes)
            self.ignored.add(command)

    def _require_one_answer(self, command: type[Command], other: bool) -> None:
        if other:
            raise ContractError(f"process {self.group} both hears and ignores what becomes of {command.__name__}")

    @property
    def sources(self) -> list[str]:
        """The namespaces whose events it hears."""
        return sorted({event.__contract__.rpartition(".")[0] for event in self.handlers})

    @property
    def answering(self) -> list[str]:
        """The namespaces whose outcomes it hears."""
        return sorted({command.__contract__.rpartition(".")[0] for command in self.outcomes})
