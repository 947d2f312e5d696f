"""Steps one instance of a process manager through events and outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.context import Context, OutcomeContext
from verbwire.declarations.deadline import Deadline
from verbwire.declarations.expiring import Expiring
from verbwire.declarations.handlers import Handler
from verbwire.declarations.later import Later
from verbwire.declarations.process import Process
from verbwire.declarations.results import read_step
from verbwire.declarations.sent import Sent
from verbwire.declarations.tagged import Tagged
from verbwire.errors import ContractError, VerbwireError
from verbwire.messages import Accepted, Command, Event, Outcome, Rejected, State
from verbwire.testing.answers import require_declared, require_reply
from verbwire.testing.comparing import CONTEXT, beyond_bounds, fitting, key_in, registered, same, show
from verbwire.wire.keys import key_bytes

S = TypeVar("S", bound=State)


@dataclass(frozen=True)
class ProcessInstance(Generic[S]):
    """An instance of a process in some state, ready for the next event or outcome."""

    process: Process[S]
    state: S | None
    catalog: Catalog | None = None
    asked: Command | None = None  # what it has received, as long as it has not been answered

    def when(
        self,
        heard: Event | Command | Outcome,
        *,
        of: type[Command] | None = None,
        tag: str | None = None,
        context: Context = CONTEXT,
    ) -> ProcessStep[S]:
        """Hand it an event, a command that it receives, or the outcome `of` one that it sent, under this `tag`.

        What handlers raise comes through as it is.
        """
        __tracebackhide__ = True
        if isinstance(heard, Command):
            return self._receive(heard, context)
        heard = fitting(heard, self.catalog) if isinstance(heard, Event) else heard
        handler, key = self._handler(heard, of), self._key(heard)
        told = context if isinstance(heard, Event) else _of_outcome(context, tag)
        return self._step(heard, handler, handler.call(self.state, heard, lambda: told), key)

    def _receive(self, command: Command, context: Context) -> ProcessStep[S]:
        __tracebackhide__ = True
        handler = registered(self.process.receivers, command, f"process {self.process.group}", "receives")
        if refused := beyond_bounds(command, self.catalog):
            return ProcessStep(command, self, answer=refused)
        command = fitting(command, self.catalog)
        key, returned = key_in(command, self.catalog), handler.call(self.state, command, lambda: context)
        if isinstance(returned, Rejected):
            require_declared(returned, command, self.catalog)
            return ProcessStep(command, self, answer=returned)
        if self.asked is not None:
            raise AssertionError(
                f"{handler.where} leaves two commands without an answer: {show(self.asked)}\nwas received before"
            )
        return replace(self, asked=command)._step(command, handler, returned, key)

    def due(self, deadline: str, at: datetime = CONTEXT.time) -> ProcessStep[S]:
        """Let a deadline be due, which was set for that moment: the instance has to be under way."""
        __tracebackhide__ = True
        handler = self.process.deadlines.get(deadline)
        if handler is None:
            raise AssertionError(
                f"process {self.process.group} has no handler for {deadline!r}: add @due({deadline!r})"
            )
        state = self._under_way(f"its deadline {deadline!r} went with it")
        return self._step(f"deadline {deadline}", handler, handler.call_alone(state, lambda: at), self._key(None))

    def cancel(self, reason: str = "test") -> ProcessStep[S]:
        """Let an operator cancel the instance, for this reason: it has to be under way."""
        __tracebackhide__ = True
        state, handler = self._under_way("there is nothing to cancel"), self.process.undoing
        if handler is None:
            return ProcessStep("cancelled", replace(self, state=None))
        return self._step("cancelled", handler, handler.function(state, reason), self._key(None))

    def _under_way(self, otherwise: str) -> S:
        __tracebackhide__ = True
        if self.state is None:
            raise AssertionError(f"no instance of {self.process.group} is under way: {otherwise}")
        return self.state

    def _step(self, heard: object, handler: Handler, returned: object, key: bytes | None) -> ProcessStep[S]:
        __tracebackhide__ = True
        try:
            step = read_step(returned, self.process.state, self.process.sends, self.process.deadlines)
        except ContractError as error:
            raise AssertionError(f"{handler.where} returned {returned!r}: {error}") from error
        commands = [_sent(each, self.catalog) for each in step.commands]
        state = None if step.state is None else fitting(step.state, self.catalog)
        if state is not None and key_in(state, self.catalog) != key and None not in (key, self.catalog):
            raise AssertionError(f"{show(state)}\nis under another key than its process instance, {key!r}")
        answer = self._answer(step.answer, over=state is None)
        asked = None if answer is not None else self.asked
        return ProcessStep(heard, replace(self, state=state, asked=asked), commands, step.deadlines, answer)

    def _answer(self, answer: Accepted[Any] | Rejected | None, over: bool) -> Outcome | None:
        """Return the outcome of what it has received, as a step gives it, or the end."""
        __tracebackhide__ = True
        if self.asked is None:
            return None  # there is nobody to be told
        match answer:
            case Rejected():
                require_declared(answer, self.asked, self.catalog)
                return answer
            case Accepted(reply=reply):
                require_reply(reply, self.asked, self.catalog)
                return Accepted(reply=None if reply is None else fitting(reply, self.catalog))
        if over:
            require_reply(None, self.asked, self.catalog)
            return Accepted()
        return None

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
        if isinstance(heard, Accepted) and self.catalog is not None and self.catalog.of(of).response == "none":
            raise AssertionError(f"{of.__name__} promises no outcome: {owner} hears of it where it was not done")
        return self.process.outcomes[of]

    def _key(self, heard: Event | Outcome | None) -> bytes | None:
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

    heard: object
    after: ProcessInstance[S]
    commands: Sequence[Sent] = ()
    deadlines: Sequence[Deadline] = ()
    answer: Outcome | None = None  # of a command that it has received, in this step or before

    def when(
        self,
        heard: Event | Command | Outcome,
        *,
        of: type[Command] | None = None,
        tag: str | None = None,
        context: Context = CONTEXT,
    ) -> ProcessStep[S]:
        """Hand the instance the next event, command or outcome."""
        __tracebackhide__ = True
        return self.after.when(heard, of=of, tag=tag, context=context)

    def due(self, deadline: str, at: datetime = CONTEXT.time) -> ProcessStep[S]:
        """Let a deadline of the instance be due."""
        __tracebackhide__ = True
        return self.after.due(deadline, at)

    def cancel(self, reason: str = "test") -> ProcessStep[S]:
        """Let an operator cancel the instance."""
        __tracebackhide__ = True
        return self.after.cancel(reason)

    def then(self, *returned: Sent | Deadline | Accepted[Any] | Rejected) -> ProcessStep[S]:
        """Check what came of it: the commands that were sent, the deadlines set or cleared, in this order, the answer.

        Exactly these, or nothing.
        """
        __tracebackhide__ = True
        catalog = self.after.catalog
        answers = [each for each in returned if isinstance(each, Accepted | Rejected)]
        same("answer", answers, [] if self.answer is None else [self.answer], self.heard)
        commands = [_sent(each, catalog) for each in returned if not isinstance(each, Deadline | Accepted | Rejected)]
        same("commands", commands, list(self.commands), self.heard)
        deadlines = [each for each in returned if isinstance(each, Deadline)]
        same("deadlines", deadlines, list(self.deadlines), self.heard)
        return self

    def then_rejected(self, code: str) -> ProcessStep[S]:
        """Check that the command was rejected with this code: the one that was received last."""
        __tracebackhide__ = True
        if not isinstance(self.answer, Rejected) or self.answer.code != code:
            raise AssertionError(f"{show(self.heard)}\nled to no rejection as {code!r}, but to {self.answer!r}")
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
            return Expiring(ttl, cast("Command | Tagged | Later", _sent(command, catalog)))
        case Later(command, at, after):
            return Later(cast("Command | Tagged", _sent(command, catalog)), at, after)
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
