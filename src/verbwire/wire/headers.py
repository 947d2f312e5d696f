"""What travels beside a message: CloudEvents 1.0, Kafka protocol binding, binary mode.

Every header costs on both sides, so a header that says nothing is left out: the correlation of a message that
started its flow is its own id. Reading is lazy: nothing is decoded before it is asked for.

What is inherited by other messages is bounded where it is read: an id that is too long would make every record that
follows from it too long, and who has to write one of them would try for ever.

Source: CloudEvents 1.0.2 and its Kafka Protocol Binding; ``traceparent`` stands bare, as W3C Trace Context and
OpenTelemetry write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Protocol, TypeAlias

import msgspec

from verbwire.contracts.schema.model import Contract
from verbwire.errors import ConfigurationError, UndecodableError, UnencodableError
from verbwire.principal import NOBODY, Principal

RawHeaders: TypeAlias = list[tuple[str, bytes]]

MAX_HEADERS = 64
MAX_HEADER_BYTES = 32_768
MAX_ID = 200  # characters of an id that its sender chooses
MAX_DERIVED_ID = MAX_ID + 8  # its receiver names the outcome (":outcome") and the events (":9999") after a command
MAX_TYPE = 249  # characters: a full name is part of a topic's
MAX_ACTOR = 255  # characters, OpenID Connect Core section 2
MAX_SCOPES = 16_384  # characters, as many as the head of an HTTP request
MAX_PROCESS_INSTANCE_KEY = 8_192  # bytes

PROCESS_INSTANCE_HEADER = "vw_undertaking"
"""The key of the process instance that sent a command, where it is too long for its id; the outcome carries it, too."""

GRANT_HEADER = "vw_grant"
"""Proof of actor and scopes, where the receiver requires one; grants.py says what it is."""

EXPECTED_HEADERS = (
    *("ce_specversion", "ce_type", "ce_source", "ce_dataschema", "ce_id", "ce_actor", "ce_scopes"),
    *("ce_correlationid", "ce_causationid", "ce_ttl", "ce_replypartition", "traceparent"),
    *(PROCESS_INSTANCE_HEADER, GRANT_HEADER),
)
"""The names of those that our own producers write."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")  # W3C Trace Context, section 3.2


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with one message: its id, whose it is, what it continues, how long it is good for."""

    id: str | None = None  # None: its sender gives it a new one
    ttl: int | None = None  # milliseconds from the record's timestamp; a command is not carried out after them
    principal: Principal | None = None  # None: the sender's own
    correlation_id: str | None = None  # the message that started the flow; None: this one
    causation_id: str | None = None  # the direct parent
    traceparent: str | None = None
    later: tuple[str, bytes] | None = None  # the header that says when it is delivered (scheduling.py); None: at once


BARE = Envelope()
"""What goes with a message that starts a flow on its sender's own behalf."""


def milliseconds(ttl: float | None) -> int | None:
    """Return a time to live in seconds as an envelope has it; :class:`UnencodableError` when it is not positive."""
    if ttl is None:
        return None
    if not 0 < ttl <= 10**9:
        raise UnencodableError(f"ttl {ttl}: use seconds, more than 0")
    return max(1, round(ttl * 1000))


def envelope_of(
    id: str | None,
    ttl: float | None,
    correlation_id: str | None,
    causation_id: str | None,
    later: tuple[str, bytes] | None = None,
) -> Envelope:
    """Return the envelope that the parameters of a client's verbs come to; `ttl` is in seconds."""
    if id is None and ttl is None and correlation_id is None and causation_id is None and later is None:
        return BARE
    return Envelope(id=id, ttl=milliseconds(ttl), correlation_id=correlation_id, causation_id=causation_id, later=later)


def require_flow(envelope: Envelope) -> None:
    """Raise :class:`UnencodableError` where an id of another message is longer than its readers take."""
    if envelope is BARE:
        return
    for id in (envelope.correlation_id, envelope.causation_id):
        if id is not None and len(id) > MAX_DERIVED_ID:
            raise UnencodableError(f"id {id[:80]!r}... of another message: {MAX_DERIVED_ID} characters are the most")


def require_writable(principal: Principal) -> None:
    """Raise :class:`ConfigurationError` where actor or scopes cannot stand in a header as its readers take it."""
    if len(principal.actor) > MAX_ACTOR or len(" ".join(principal.scopes)) > MAX_SCOPES:
        raise ConfigurationError(
            f"actor (VERBWIRE_ACTOR) may have {MAX_ACTOR} characters, all scopes (VERBWIRE_SCOPES) {MAX_SCOPES}"
        )
    for scope in principal.scopes:
        if not scope or any(letter.isspace() for letter in scope):
            raise ConfigurationError(f"scope {scope!r} (VERBWIRE_SCOPES): it must not be empty nor hold spaces")


def dataschema(contract: Contract) -> str:
    """Return the URI that names the exact schema of a message: ``urn:avro:<full name>:<fingerprint>``."""
    return f"urn:avro:{contract.name}:{contract.fingerprint}"


def trace_of(text: str | None) -> str | None:
    """Return a ``traceparent`` if it is one: W3C Trace Context wants any other to be left out, not to be an error."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None


class HeaderTemplate:
    """Writes the headers of one contract from one source: what never changes is encoded once.

    `principal` is on whose behalf all of its messages are sent, unless an envelope names another.
    """

    def __init__(self, contract: Contract, source: str, principal: Principal = NOBODY) -> None:
        self._anonymous: RawHeaders = [
            ("ce_specversion", b"1.0"),
            ("ce_type", contract.name.encode()),
            ("ce_source", source.encode()),
            ("ce_dataschema", dataschema(contract).encode()),
        ]
        self._own = [*self._anonymous]
        _add_principal(self._own, principal)

    def headers(self, id: str, envelope: Envelope = BARE, reply_partition: int | None = None) -> RawHeaders:
        """Return the headers of one message, `id` being the one that it goes by.

        `reply_partition` is where in the replies topic the client waits for the outcome.
        """
        if envelope is BARE and reply_partition is None:
            return [*self._own, ("ce_id", id.encode())]
        principal = envelope.principal
        if principal is None:
            headers = [*self._own, ("ce_id", id.encode())]
        else:
            headers = [*self._anonymous, ("ce_id", id.encode())]
            _add_principal(headers, principal)
        _add_flow(headers, id, envelope)
        if envelope.later is not None:
            headers.append(envelope.later)
        if envelope.ttl is not None:
            headers.append(("ce_ttl", b"%d" % envelope.ttl))
        if reply_partition is not None:
            headers.append(("ce_replypartition", b"%d" % reply_partition))
        return headers


def _add_flow(headers: RawHeaders, id: str, envelope: Envelope) -> None:
    if envelope.correlation_id is not None and envelope.correlation_id != id:
        headers.append(("ce_correlationid", envelope.correlation_id.encode()))
    if envelope.causation_id is not None:
        headers.append(("ce_causationid", envelope.causation_id.encode()))
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent.encode()))


def _add_principal(headers: RawHeaders, principal: Principal) -> None:
    if principal.actor:
        headers.append(("ce_actor", principal.actor.encode()))
    if principal.scopes:
        headers.append(("ce_scopes", " ".join(sorted(principal.scopes)).encode()))


@lru_cache(maxsize=256)
def _scopes(text: str) -> tuple[str, ...]:
    return tuple(text.split())


class _WithHeaders(Protocol):
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Headers:
    """The headers of a received record; decoded when asked for.

    Attributes that are absent are None (an empty tuple for the scopes). A header that was written twice counts with
    its last value, as Kafka's own ``lastHeader`` does. :class:`UndecodableError` at the attribute that cannot be
    read or is longer than one of its kind may be, and at any attribute of a record with more than 64 headers or
    32 KiB of them.
    """

    __slots__ = ("_raw", "_values")

    def __init__(
        self, raw: Iterable[tuple[str, bytes | None]] | None, values: dict[str, bytes | None] | None = None
    ) -> None:
        self._raw = raw
        self._values = values

    @classmethod
    def of(cls, record: _WithHeaders) -> Headers:
        """Return those of a record; of one that was read by the extension they are read in one step."""
        read = getattr(record, "header_values", None)
        values = None if read is None else read(MAX_HEADERS, MAX_HEADER_BYTES)
        return cls(record.headers) if values is None else cls((), values)

    def _read(self) -> dict[str, bytes | None]:
        pairs = list(self._raw or ())
        if len(pairs) > MAX_HEADERS:
            raise UndecodableError(f"the record has {len(pairs)} headers, {MAX_HEADERS} are read at most")
        try:
            size = sum(map(len, chain.from_iterable(pairs)))  # type: ignore[arg-type]  # see below
        except TypeError:  # a header without a value
            size = sum([len(name) + len(value or b"") for name, value in pairs])
        if size > MAX_HEADER_BYTES:
            raise UndecodableError(f"the record's headers are {size} bytes long, {MAX_HEADER_BYTES} are read at most")
        self._values = values = dict(pairs)
        return values

    def text(self, name: str) -> str | None:
        """Return the header of that full name (``ce_subject``) as text."""
        return self._bounded(name, MAX_HEADER_BYTES)

    def _bounded(self, name: str, limit: int) -> str | None:
        value = (self._values or self._read()).get(name)
        if value is None:
            return None
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            raise UndecodableError(f"header {name} is not UTF-8: {error}") from error
        if len(text) > limit:
            raise UndecodableError(f"header {name} is {len(text)} characters long, {limit} are read at most")
        return text

    @property
    def id(self) -> str | None:
        """The message's own id."""
        return self._bounded("ce_id", MAX_DERIVED_ID)

    @property
    def command_id(self) -> str | None:
        """The id of a command: it leaves room for those of its events and its outcome."""
        return self._bounded("ce_id", MAX_ID)

    @property
    def type(self) -> str | None:
        """The full name of its contract; a hint only, the schema id in the value decides."""
        return self._bounded("ce_type", MAX_TYPE)

    @property
    def source(self) -> str | None:
        """Who produced it."""
        return self.text("ce_source")

    @property
    def dataschema(self) -> str | None:
        """The URI of its exact schema."""
        return self.text("ce_dataschema")

    @property
    def correlation_id(self) -> str | None:
        """The id of the message that started the flow; its own where it is the first."""
        return self.started_by or self.id

    @property
    def started_by(self) -> str | None:
        """The id of the message that started the flow, where the headers name one and it was another."""
        return self._bounded("ce_correlationid", MAX_DERIVED_ID)

    @property
    def causation_id(self) -> str | None:
        """The id of the direct parent."""
        return self._bounded("ce_causationid", MAX_DERIVED_ID)

    @property
    def actor(self) -> str | None:
        """On whose behalf it was sent."""
        return self._bounded("ce_actor", MAX_ACTOR)

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the sender was allowed."""
        return _scopes(self._bounded("ce_scopes", MAX_SCOPES) or "")

    @property
    def principal(self) -> Principal:
        """On whose behalf it was sent, and what they were allowed; nobody where nothing says so."""
        return Principal(self.actor or "", self.scopes)

    @property
    def deadline(self) -> datetime | None:
        """After this moment the command is not to be carried out any more."""
        return self._moment("ce_deadline")

    @property
    def ttl(self) -> int | None:
        """How many milliseconds after its record's timestamp the command is not to be carried out any more."""
        return self._number("ce_ttl", 13, "a number of milliseconds")

    def expiry(self, timestamp: int) -> int | None:
        """Return when a command with this timestamp expires, None for never; in milliseconds since the epoch.

        The sender's own clock counts only where it has set a deadline; the earlier of deadline and ttl holds.
        """
        values = self._values or self._read()
        if "ce_ttl" not in values and "ce_deadline" not in values:
            return None
        ttl, deadline = self.ttl, self.deadline
        relative = None if ttl is None else timestamp + ttl
        if deadline is None:
            return relative
        absolute = int(deadline.timestamp() * 1000)
        return absolute if relative is None else min(relative, absolute)

    @property
    def reply_partition(self) -> int | None:
        """The partition of the replies topic that the client consumes."""
        return self._number("ce_replypartition", 9, "the number of a partition")

    @property
    def traceparent(self) -> str | None:
        """W3C Trace Context; None where what is there is none."""
        value = (self._values or self._read()).get("traceparent")
        return None if value is None else trace_of(value.decode(errors="replace"))

    @property
    def process_instance_key(self) -> bytes | None:
        """The key of the process instance that sent the command, where its id has no room for it."""
        value = (self._values or self._read()).get(PROCESS_INSTANCE_HEADER)
        if value is not None and len(value) > MAX_PROCESS_INSTANCE_KEY:
            size = f"is {len(value)} bytes long, {MAX_PROCESS_INSTANCE_KEY} are read at most"
            raise UndecodableError(f"header {PROCESS_INSTANCE_HEADER} {size}")
        return value

    @property
    def grant(self) -> bytes | None:
        """The proof of actor and scopes."""
        return (self._values or self._read()).get(GRANT_HEADER)

    @property
    def time(self) -> datetime | None:
        """When the message came to be, where that differs from the record's timestamp."""
        return self._moment("ce_time")

    def _number(self, name: str, digits: int, what: str) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= digits):
            raise UndecodableError(f"header {name} is {text[:40]!r}, not {what}")
        return int(text)

    def _moment(self, name: str) -> datetime | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise UndecodableError(f"header {name} is {text[:40]!r}, not an RFC 3339 time") from error
        if moment.tzinfo is None:
            raise UndecodableError(f"header {name} is {text[:40]!r}: its time zone is missing")
        return moment
