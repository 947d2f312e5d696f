"""An undertaking that a process leads, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Generic, TypeVar

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.context import Context, OutcomeContext
from verbwire.declarations.handlers import Handler
from verbwire.declarations.process import Process
from verbwire.declarations.results import read_step
from verbwire.declarations.tagged import Tagged
from verbwire.errors import ContractError, VerbwireError
from verbwire.messages import Command, Event, Outcome, State
from verbwire.testing.comparing import CONTEXT, fitting, key_in, registered, same, show
from verbwire.wire.keys import key_bytes

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class ProcessInstance(Generic[S]):
    """An undertaking in some state, ready for what happens next."""

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
        """Let it hear an event, or the outcome `of` one of its commands, which was sent under this `tag`.

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
            raise AssertionError(f"{show(state)}\nis under another key than its undertaking's, {key!r}")
        return ProcessStep(heard, replace(self, state=state), commands)

    def _handler(self, heard: Event | Outcome, of: type[Command] | None) -> Handler:
        __tracebackhide__ = True
        owner = f"process {self.process.group}"
        if isinstance(heard, Event):
            return registered(self.process.handlers, heard, owner, "on")
        if of in self.process.ignored:
            raise AssertionError(f"{owner} ignores what becomes of {of.__name__}: it would not be heard")
        if of not in self.process.outcomes:
            raise AssertionError(f"{owner} hears no outcome of {of.__name__ if of else 'nothing: say of=YourCommand'}")
        return self.process.outcomes[of]

    def _key(self, heard: Event | Outcome) -> bytes | None:
        """The key that an event names; an outcome comes to the undertaking that sent its command, whatever it is."""
        __tracebackhide__ = True
        if self.state is not None:
            return key_in(self.state, self.catalog)
        if not isinstance(heard, Event):
            return None
        try:
            return key_bytes(getattr(heard, self.process.keys[type(heard)]))
        except VerbwireError as error:
            raise AssertionError(f"{show(heard)}\nnames no undertaking, it would not be heard: {error}") from error


@dataclass(frozen=True)
class ProcessStep(Generic[S]):
    """What came of it. Every `then` returns it, so that checks, and what happens next, can follow."""

    heard: Event | Outcome
    after: ProcessInstance[S]
    commands: Sequence[Command | Tagged] = ()

    def when(
        self,
        heard: Event | Outcome,
        *,
        of: type[Command] | None = None,
        tag: str | None = None,
        context: Context = CONTEXT,
    ) -> ProcessStep[S]:
        """Let the undertaking hear what happens next."""
        __tracebackhide__ = True
        return self.after.when(heard, of=of, tag=tag, context=context)

    def then(self, *commands: Command | Tagged) -> ProcessStep[S]:
        """Check that exactly these commands were sent, in this order; with none: nothing was."""
        __tracebackhide__ = True
        catalog = self.after.catalog
        same("commands", [_sent(each, catalog) for each in commands], list(self.commands), self.heard)
        return self

    def then_state(self, state: S | None) -> ProcessStep[S]:
        """Check the state that it is in now; None: it is over."""
        __tracebackhide__ = True
        same("state", [state and fitting(state, self.after.catalog)], [self.after.state], self.heard)
        return self


def _sent(what: Command | Tagged, catalog: Catalog | None) -> Command | Tagged:
    """A command as its receiver reads it, under its tag."""
    return Tagged(what.tag, fitting(what.command, catalog)) if isinstance(what, Tagged) else fitting(what, catalog)


def _of_outcome(context: Context, tag: str | None) -> Context:
    """What the handler of an outcome is told; a test that hands over such a context itself knows better."""
    if isinstance(context, OutcomeContext):
        return context if tag is None else replace(context, tag=tag)
    facts = {each.name: getattr(context, each.name) for each in fields(context)}
    return OutcomeContext(**facts, command_id=context.id, tag=tag)
