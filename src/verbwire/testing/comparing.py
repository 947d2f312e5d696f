"""Checks messages against their contracts, and shows where two differ."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from verbwire.contracts.schema.model import Catalog
from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler
from verbwire.errors import VerbwireError
from verbwire.handling.admission import out_of_bounds
from verbwire.messages import Message, Rejected
from verbwire.wire.avro.messages import MISFITS, Encoder
from verbwire.wire.keys import key_of

M = TypeVar("M", bound=Message)

CONTEXT = Context(
    id="test",
    time=datetime(2000, 1, 1, tzinfo=UTC),
    actor=None,
    scopes=frozenset(),
    correlation_id="test",
    topic="test",
    partition=0,
    offset=0,
)
"""The context that handlers get when a test gives none; change it with `dataclasses.replace`."""


def registered(handlers: Mapping[Any, Handler], message: Message, owner: str, decorator: str) -> Handler:
    """Return the handler of a message; AssertionError where there is none."""
    __tracebackhide__ = True
    if type(message) not in handlers:
        raise AssertionError(
            f"{owner} has no function for {type(message).__name__}: write one and decorate it with @....{decorator}"
        )
    return handlers[type(message)]


def fitting(message: M, catalog: Catalog | None) -> M:
    """Check a message against its contract; return it as it is read back. Without a catalog: unchecked."""
    __tracebackhide__ = True
    if catalog is None:
        return message
    try:
        encoder = Encoder(catalog.of(message), 0)
        encoder(message)
        return encoder.normal(message)
    except VerbwireError as error:
        raise AssertionError(f"{show(message)}\nis against its contract: {error}") from error


def encoded(message: Message, catalog: Catalog) -> bytes:
    """Return the bytes of a message as a record holds them.

    :class:`UnencodableError` where it does not fit its schema and its bounds.
    """
    return Encoder(catalog.of(message), 0)(message)


def key_in(message: Message, catalog: Catalog | None) -> bytes:
    """Return the key of a message by its contract. Without a catalog all keys are equal."""
    __tracebackhide__ = True
    if catalog is None:
        return b""
    try:
        return key_of(catalog.of(message), message)
    except VerbwireError as error:
        raise AssertionError(f"{show(message)}\nis against its contract: {error}") from error


def beyond_bounds(command: Message, catalog: Catalog | None) -> Rejected | None:
    """Return how a command is rejected before any handler sees it; None without a catalog, which knows of no bounds."""
    if catalog is None:
        return None
    try:
        return out_of_bounds(catalog.of(command), command)
    except (VerbwireError, *MISFITS):
        return None  # it fits its contract in no way: `fits` tells


def same(what: str, expected: list[Any], found: list[Any], cause: object) -> None:
    """Raise AssertionError with the difference, field by field."""
    __tracebackhide__ = True
    if expected == found:
        return
    wanted, got = ([line for each in side for line in show(each).splitlines()] for side in (expected, found))
    difference = difflib.unified_diff(wanted, got, f"expected {what}", f"{what} that came", lineterm="", n=100)
    raise AssertionError(f"{show(cause)}\nled to other {what}:\n" + "\n".join(difference))


def show(value: object) -> str:
    """Return a message with one field a line, so that a difference shows the field and nothing else."""
    if not isinstance(value, msgspec.Struct):
        return repr(value)
    fields = "".join(f"\n    {name}={getattr(value, name)!r}," for name in value.__struct_fields__)
    return f"{type(value).__name__}({fields}\n)"
