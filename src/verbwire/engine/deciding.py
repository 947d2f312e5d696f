"""The processor of an aggregate: command and state in, events and an outcome out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from verbwire.contracts.model import Contract
from verbwire.contracts.permission import refusal
from verbwire.declarations.handlers import Handler
from verbwire.engine.contexts import context_of, id_of
from verbwire.engine.dead_letters import dead_letter, legible
from verbwire.engine.ledger import Ledger, Page, Verdict
from verbwire.engine.records import Record
from verbwire.engine.shard import Shard
from verbwire.engine.transaction import Transaction, sized
from verbwire.errors import ContractError, UndecodableError
from verbwire.messages import Accepted, Event, Failed, Message, Rejected, Row
from verbwire.wire.avro import Encoder
from verbwire.wire.codec import TopicDecoder
from verbwire.wire.headers import Headers, HeaderTemplate
from verbwire.wire.keys import key_of
from verbwire.wire.outcomes import fingerprint_of

MAX_EVENTS = 10_000  # of one command: its outcome names the place of each


@dataclass(frozen=True)
class Receives:
    """How one type of command is dealt with."""

    contract: Contract
    handler: Handler


@dataclass(frozen=True)
class Emits:
    """How one type of event is written and applied."""

    contract: Contract
    encoder: Encoder
    headers: HeaderTemplate
    applier: Handler


@dataclass
class Decide:
    """Decides commands one key at a time. Only accepted and rejected ones are remembered by their ids."""

    decoder: TopicDecoder
    commands: Mapping[type[Message], Receives]
    state: type[Row]
    events: Mapping[type[Message], Emits]
    events_topic: str
    encode: Callable[[bytes, Row], object]
    ledger: Ledger
    dead_letters: str

    def process(self, shard: Shard, records: Sequence[Record], transaction: Transaction, careful: bool) -> int:
        """Decide these commands, in order, and return how many there was time for."""
        taken = [(record, Headers(record.headers)) for record in records]
        named = [(record, headers, _readable_id(record, headers)) for record, headers in taken]
        shard.begin((record.key for record in records if record.key), (name for _, _, name in named))
        page = self.ledger.page(transaction, shard.partition)
        for done, (record, headers, name) in enumerate(named):
            if done and transaction.is_late():
                return done
            self._take(shard, record, headers, name, page, careful)
        return len(named)

    def _take(self, shard: Shard, record: Record, headers: Headers, name: str, page: Page, careful: bool) -> None:
        transaction = page.transaction
        try:
            command = self.decoder.decode(record.value)
            if command is None or not record.key:
                raise UndecodableError("no handler for this type" if record.key else "the record has no key")
            sender = _Sender(headers.correlation_id or name, headers.actor, headers.scopes, headers.traceparent)
        except UndecodableError as error:
            if shard.answered(name) is not None:  # whatever this is, that id has its one outcome
                return dead_letter(transaction, self.dead_letters, record, "undecodable", str(error))
            return self._fail(record, headers, name, "undecodable", str(error), page)
        assert record.value is not None  # noqa: S101 (decoded just now)
        fingerprint = fingerprint_of(record.value)
        known = shard.answered(name)
        if known == fingerprint:
            return transaction.count("duplicate")
        if known is not None:
            return dead_letter(transaction, self.dead_letters, record, "id-reused", f"{name} named another payload")
        receives = self.commands[type(command)]
        try:
            decided = self._decide(shard.get(record.key), command, receives, record, headers, sender)
            prepared = [self._prepare(record.key, event) for event in decided.events]
            verdict = Verdict(name, receives.contract.name, fingerprint, decided.outcome, record)
            if isinstance(decided.outcome, Rejected):
                self.ledger.require_fit(verdict)
            if careful and decided.state is not None:
                self.encode(record.key, decided.state)
        except Exception as error:  # noqa: BLE001 (whatever a handler raises: the key goes on)
            reason = f"{receives.handler.where} failed: {type(error).__name__}: {error}"
            return self._fail(record, headers, name, "failed", reason, page)
        for index, (emits, value) in enumerate(prepared):
            transaction.produce(
                self.events_topic,
                record.partition,
                record.key,
                value,
                self._headers(emits, name, index, sender),
                on_delivery=verdict.delivered,
            )
        if prepared:
            shard.put(record.key, decided.state)
        shard.remember(name, fingerprint)
        if isinstance(decided.outcome, Rejected):
            transaction.count("rejected", receives.contract.name, decided.outcome.code)
        return page.enter(verdict, remember=True)

    def _decide(
        self,
        state: Row | None,
        command: Message,
        receives: Receives,
        record: Record,
        headers: Headers,
        sender: _Sender,
    ) -> _Decided:
        if refused := refusal(receives.contract, sender.actor, sender.scopes):
            return _Decided(refused, [], state)
        context = partial(context_of, record, headers)
        result = receives.handler.call(command, state, context)
        if isinstance(result, Rejected):
            if result.code not in receives.contract.rejections:
                raise ContractError(f"{result.code!r} is not among the rejections of {receives.contract.name}")
            return _Decided(result, [], state)
        events = [result] if isinstance(result, Event) else _several(result)
        for event in events:
            emits = self.events.get(type(event))
            if emits is None:
                raise ContractError(f"{type(event).__name__} is not applied by this aggregate: add @applies for it")
            state = emits.applier.call(state, event, context)
            if type(state) is not self.state:
                raise TypeError(f"{emits.applier.where} returned {type(state).__name__}, not {self.state.__name__}")
        return _Decided(Accepted(), events, state)

    def _prepare(self, key: bytes, event: Event) -> tuple[Emits, bytes]:
        emits = self.events[type(event)]
        if key_of(emits.contract, event) != key:
            raise ContractError(f"{emits.contract.name} has another key than its command: order per key would be lost")
        return emits, sized(key, emits.encoder(event), emits.contract.name)

    def _headers(self, emits: Emits, command_id: str, index: int, sender: _Sender) -> list[tuple[str, bytes]]:
        return emits.headers.headers(
            f"{command_id}:{index}",
            correlation_id=sender.correlation_id,
            causation_id=command_id,
            actor=sender.actor,
            traceparent=sender.traceparent,
        )

    def _fail(self, record: Record, headers: Headers, name: str, reason: str, detail: str, page: Page) -> None:
        dead_letter(page.transaction, self.dead_letters, record, reason, detail)
        try:
            command = headers.type or ""
        except UndecodableError:
            command = ""
        outcome = Failed(reason=legible(detail[:500]))
        verdict = Verdict(name, command, fingerprint_of(record.value or b""), outcome, record)
        page.enter(verdict, remember=False)


class _Sender(NamedTuple):
    """What a command's headers say that its events inherit, or that permission is decided by."""

    correlation_id: str
    actor: str | None
    scopes: tuple[str, ...]
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class _Decided:
    outcome: Accepted | Rejected
    events: list[Event]
    state: Row | None


def _several(result: object) -> list[Event]:
    if isinstance(result, (list, tuple)) and all(isinstance(event, Event) for event in result):
        if len(result) > MAX_EVENTS:
            raise ContractError(f"{len(result)} events of one command, {MAX_EVENTS} are the most: split the command")
        return list(result)
    raise ContractError(f"a command handler returns events, [] or Rejected, not {type(result).__name__}")


def _readable_id(record: Record, headers: Headers) -> str:
    try:
        return id_of(record, headers)
    except UndecodableError:
        return id_of(record, Headers(()))
