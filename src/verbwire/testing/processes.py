"""Steps one instance of a process manager through events and outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Generic, TypeVar

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.context import Context, OutcomeContext
from verbwire.declarations.expiring import Expiring
from verbwire.declarations.handlers import Handler
from verbwire.declarations.process import Process
from verbwire.declarations.results import read_step
from verbwire.declarations.sent import Sent
from verbwire.declarations.tagged import Tagged
from verbwire.errors import ContractError, VerbwireError
from verbwire.messages import Command, Event, Outcome, State
from verbwire.testing.comparing import CONTEXT, fitting, key_in, registered, same, show
from verbwire.wire.keys import key_bytes

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class ProcessInstance(Generic[S]):
    """An instance of a process in some state, ready for the next event or outcome."""

    process: Process[S]
    state: S | None
    catalog: Catalog | None = None

    def when(
        self,
        heard: Event | Outcome,
        *,
        of: type[Command] | None = None,
        tag: str | None = None,
        context: Context = CONTEXT,
    ) -> ProcessStep[S]:
        """Hand it an event, or the outcome `of` one of its commands, which was sent under this `tag`.

        What handlers raise comes through as it is.
        """
        __tracebackhide__ = True
        heard = fitting(heard, self.catalog) if isinstance(heard, Event) else heard
        handler, key = self._handler(heard, of), self._key(heard)
        told = context if isinstance(heard, Event) else _of_outcome(context, tag)
        returned = handler.call(self.state, heard, lambda: told)
        try:
            step = read_step(returned, self.process.state, self.process.sends)
        except ContractError as error:
            raise AssertionError(f"{handler.where} returned {returned!r}: {error}") from error
        commands = [_sent(each, self.catalog) for each in step.commands]
        state = None if step.state is None else fitting(step.state, self.catalog)
        if state is not None and key_in(state, self.catalog) != key and None not in (key, self.catalog):
            raise AssertionError(f"{show(state)}\nis under another key than its process instance, {key!r}")
        return ProcessStep(heard, replace(self, state=state), commands)

    def _handler(self, heard: Event | Outcome, of: type[Command] | None) -> Handler:
        __tracebackhide__ = True
        owner = f"process {self.process.group}"
        if isinstance(heard, Event):
            return registered(self.process.handlers, heard, owner, "on")
        if of in self.process.ignored:
            raise AssertionError(f"{owner} ignores outcomes of {of.__name__}: no handler is called")
        if of not in self.process.outcomes:
            name = of.__name__ if of else "nothing: say of=YourCommand"
            raise AssertionError(f"{owner} has no handler for the outcome of {name}")
        return self.process.outcomes[of]

    def _key(self, heard: Event | Outcome) -> bytes | None:
        """Return the key that an event names; an outcome belongs to the instance that sent its command."""
        __tracebackhide__ = True
        if self.state is not None:
            return key_in(self.state, self.catalog)
        if not isinstance(heard, Event):
            return None
        try:
            return key_bytes(getattr(heard, self.process.keys[type(heard)]))
        except VerbwireError as error:
            raise AssertionError(
                f"{show(heard)}\nnames no process instance, no handler would be called: {error}"
            ) from error


@dataclass(frozen=True)
class ProcessStep(Generic[S]):
    """Holds what one step led to. Every `then` returns it, so that checks, and further steps, can follow."""

    heard: Event | Outcome
    after: ProcessInstance[S]
    commands: Sequence[Sent] = ()

    def when(
        self,
        heard: Event | Outcome,
        *,
        of: type[Command] | None = None,
        tag: str | None = None,
        context: Context = CONTEXT,
    ) -> ProcessStep[S]:
        """Hand the instance the next event or outcome."""
        __tracebackhide__ = True
        return self.after.when(heard, of=of, tag=tag, context=context)

    def then(self, *commands: Sent) -> ProcessStep[S]:
        """Check that exactly these commands were sent, in this order; without any: that none was."""
        __tracebackhide__ = True
        catalog = self.after.catalog
        same("commands", [_sent(each, catalog) for each in commands], list(self.commands), self.heard)
        return self

    def then_state(self, state: S | None) -> ProcessStep[S]:
        """Check its state now; None: the instance has ended."""
        __tracebackhide__ = True
        same("state", [state and fitting(state, self.after.catalog)], [self.after.state], self.heard)
        return self


def _sent(what: Sent, catalog: Catalog | None) -> Sent:
    """Return a command as its receiver reads it, with its tag and its time to live."""
    match what:
        case Expiring(ttl, command):
            return Expiring(ttl, command if isinstance(command, Tagged) else fitting(command, catalog))
        case Tagged(tag, command):
            return Tagged(tag, fitting(command, catalog))
        case _:
            return fitting(what, catalog)


def _of_outcome(context: Context, tag: str | None) -> Context:
    """Return the context of an outcome; one that the test gives itself is kept as it is."""
    if isinstance(context, OutcomeContext):
        return context if tag is None else replace(context, tag=tag)
    facts = {each.name: getattr(context, each.name) for each in fields(context)}
    return OutcomeContext(**facts, command_id=context.id, tag=tag)
