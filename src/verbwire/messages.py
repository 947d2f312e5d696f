"""Base classes of messages by their kind, the outcomes that a command may have, and pages of lists.

Classes of messages are written by ``verbwire schemas generate``; each carries the full name of its contract.
They are frozen :class:`msgspec.Struct` classes: compared by value, created by keyword, quick to encode.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias

import msgspec

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R_co = TypeVar("R_co", covariant=True, default=Any)
    """The reply. By default anything, so that code about any command writes `Command`."""
else:  # before Python 3.13 a TypeVar has no default, and type checkers alone want one
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)


class Kind(StrEnum):
    """The kind of a contract, as written in its schema."""

    COMMAND = "command"
    EVENT = "event"
    QUERY = "query"
    ROW = "row"
    STATE = "state"
    REPLY = "reply"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What every message has: the full name of its contract and the fingerprint it was generated from."""

    __contract__: ClassVar[str] = ""
    __fingerprint__: ClassVar[str] = ""
    __kind__: ClassVar[Kind]


class Command(Message, Generic[R_co], frozen=True, kw_only=True):
    """Asks exactly one logical receiver to do something; it may be refused. Sent, never published.

    ``Command[OrderReceipt]`` is replied to with an OrderReceipt, ``Command[None]`` is accepted without a reply.
    """

    __kind__ = Kind.COMMAND


class Event(Message, frozen=True, kw_only=True):
    """States what happened, and cannot be refused. Published, never sent."""

    __kind__ = Kind.EVENT


class Query(Message, Generic[R_co], frozen=True, kw_only=True):
    """Asks the one owner for current state; changes nothing.

    ``Query[OrderRow]`` is answered by an OrderRow, ``Query[Page[OrderRow]]`` by a :class:`Page` of them.
    """

    __kind__ = Kind.QUERY


class Stored(Message, frozen=True, kw_only=True):
    """What a store keeps under one key, and a changelog for good: a row or a state."""


class Row(Stored, frozen=True, kw_only=True):
    """A row of a table: queries show it."""

    __kind__ = Kind.ROW


class State(Stored, frozen=True, kw_only=True):
    """The state of an aggregate or a process: its handlers decide by it."""

    __kind__ = Kind.STATE


class Reply(Message, frozen=True, kw_only=True):
    """The reply to a command, which stands in its outcome; or to a query that a responder answers."""

    __kind__ = Kind.REPLY


KEPT = (Kind.ROW, Kind.STATE)
"""The kinds of what a store keeps."""


class Accepted(msgspec.Struct, Generic[R_co], frozen=True, kw_only=True):
    """The receiver did what the command asked; `reply` is there where the command's contract names one."""

    reply: R_co = None  # type: ignore[assignment]  # of a Command[None]


class Rejected(msgspec.Struct, frozen=True):
    """The receiver refused: a value, successfully delivered; never retried, never dead-lettered.

    `code` is one of the codes that the command's contract declares under ``rejections``.
    """

    code: str
    reason: str = ""
    details: dict[str, str] = {}


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver's code broke on this command; it was dead-lettered and changed nothing."""

    reason: str = ""


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """The command's deadline passed before the receiver came to it; it changed nothing."""


Outcome: TypeAlias = Accepted[R_co] | Rejected | Failed | Expired
"""What became of a command; ``Outcome[OrderReceipt]`` is that of a ``Command[OrderReceipt]``."""


@dataclass(frozen=True, slots=True)
class Page(Generic[R_co]):
    """A part of a list. `complete` says whether all of the table answered, and has read what there was when it started.

    `next` is None on the last page; ``client.query(query, after=page)`` asks for the one that follows.
    """

    rows: tuple[R_co, ...]
    page: int | None  # None behind a cursor, and where large rows ended it early
    page_size: int
    complete: bool
    next: str | None
    parked: int = 0  # keys of the table whose later records wait for an operator: they are not in its rows


FORBIDDEN = "forbidden"
"""The code of a rejection for want of permission: verbwire's own, every command may be answered with it."""

ID_REUSED = "id_reused"
"""The code of a rejection for an id that has named another payload: verbwire's own, in replies alone."""

CANCELLED = "cancelled"
"""The code of a rejection for a command that was sent for later and cancelled before it was due: verbwire's own."""

OUT_OF_BOUNDS = "out_of_bounds"
"""The code of a rejection for a value beyond the bounds of the command's contract: verbwire's own."""
