"""The verb forms of names: commands in the imperative, events in the past tense, queries as questions."""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.contracts.checks.english import (
    is_change,
    is_noun,
    is_noun_and_verb,
    is_particle,
    is_past,
    is_progressive,
    may_be_past,
    words,
)
from verbwire.messages import Kind


@dataclass(frozen=True, slots=True)
class NameDoubt:
    """A doubt about a name; `sure` where the name has the form of another kind."""

    text: str
    sure: bool = False


def verb_form_doubt(kind: Kind, name: str) -> NameDoubt | None:
    """Say what seems wrong with a name for a message of that kind, and what to call it; None if nothing does.

    A command begins with an imperative (``PlaceOrder``). An event says somewhere what happened (``OrderPlaced``,
    ``CartCheckedOut``). A query begins with a verb of asking (``GetOrder``) or is a noun phrase (``SalesPerMinute``).
    Rows, states and replies are things and may be called anything. Names are of any language, and the English that is
    known here is little: it is sure only of a command in the past tense and of an event in the imperative.
    """
    parts = words(name)
    if not parts:
        return None
    match kind:
        case Kind.COMMAND:
            return _command_doubt(name, parts)
        case Kind.EVENT:
            return _event_doubt(name, parts)
        case Kind.QUERY:
            return _query_doubt(name, parts)
        case Kind.ROW | Kind.STATE | Kind.REPLY:
            return None


def _command_doubt(name: str, parts: list[str]) -> NameDoubt | None:
    first = parts[0]
    if is_past(first) or (is_noun_and_verb(first) and _ends_in_past(parts[1:])):
        text = f"{name} is in the past tense, as an event would be: a command is an imperative, like PlaceOrder"
        return NameDoubt(text, sure=True)
    if is_progressive(first):
        return NameDoubt(f"{name} begins with a word in -ing: a command is an imperative, like PlaceOrder")
    if is_noun(first):
        return NameDoubt(f"{name} begins with a noun: a command begins with its verb, like PlaceOrder")
    return None


def _event_doubt(name: str, parts: list[str]) -> NameDoubt | None:
    if any(is_past(word) for word in parts) or any(may_be_past(word) for word in parts[1:]):
        return None
    if is_change(parts[0]):
        text = f"{name} is an imperative, as a command would be: an event is in the past tense, like OrderPlaced"
        return NameDoubt(text, sure=True)
    return NameDoubt(f"{name} does not say what happened: an event is in the past tense, like OrderPlaced")


def _query_doubt(name: str, parts: list[str]) -> NameDoubt | None:
    if is_change(parts[0]):
        return NameDoubt(f"{name} asks for a change: make it a command, or begin with Get, Find, List or Count")
    if _ends_in_past(parts[1:]):
        return NameDoubt(f"{name} is in the past tense, as an event would be: ask for something, like SalesPerMinute")
    return None


def _ends_in_past(parts: list[str]) -> bool:
    """Whether the last word is a past tense, but for what belongs to it: ``checked out``."""
    said = list(parts)
    while said and is_particle(said[-1]):
        said.pop()
    return bool(said) and is_past(said[-1])
