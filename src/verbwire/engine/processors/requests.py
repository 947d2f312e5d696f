"""Does what operators ask of a group: requests are an input, each is dealt with once, in the group's transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from verbwire.engine.processors.skips import Skips
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.dead_letters import dead_letter
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.kafka.record import Record
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.codec.requests import RequestReader
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.requests import REQUEST, SKIP_RECORD, RequestRecord, asked

log = logging.getLogger(__name__)

Heed: TypeAlias = Callable[[PartitionCache, RequestRecord, Transaction], None]
"""Does what one kind of request asks for. The row of its key is loaded; what it changes goes with the transaction."""


@dataclass(kw_only=True)
class OperatorRequests:
    """The requests of one group: `kinds` says who does which."""

    group: str
    topic: str
    dead_letters: str
    reads: RequestReader
    encoder: Encoder
    skips: Skips
    kinds: dict[str, Heed] = field(default_factory=dict)

    @classmethod
    def of(cls, codec: Codec, group: str, skips: Skips, kinds: Mapping[str, Heed]) -> OperatorRequests:
        """Return those of a group, whose name carries the prefix already; any may have a record skipped."""
        topic = codec.names.requests(group)
        return cls(
            group=group,
            topic=topic,
            dead_letters=codec.names.dead_letters(group),
            reads=RequestReader(codec, topic),
            encoder=codec.encoder(REQUEST),
            skips=skips,
            kinds={SKIP_RECORD: skips.ask, **kinds},
        )

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Do what these records ask for, in order, and return how many there was time for."""
        requests = [self._read(record) for record in records]
        cache.begin({each.key for each in requests if isinstance(each, RequestRecord) and each.key})
        for done, (record, request) in enumerate(zip(records, requests, strict=True)):
            if done and transaction.is_late():
                return done
            if isinstance(request, str):
                dead_letter(transaction, self.dead_letters, record, "undecodable", request)
            elif (heed := self.kinds.get(request.kind)) is None:
                detail = f"{self.group} knows no request {request.kind!r}: {', '.join(sorted(self.kinds))}"
                dead_letter(transaction, self.dead_letters, record, "unknown-request", detail)
            else:
                self._log(request)
                heed(cache, request, transaction)
        return len(records)

    def unblock(self, records: Sequence[Record]) -> bool:
        """Whether one of these has the record skipped at which their partition stands still, so that it may go on.

        They stay unread: they are done when the partition has started over.
        """
        found = [each for record in records if isinstance(each := self._read(record), RequestRecord)]
        return any([self.skips.hear(each) for each in found if each.kind == SKIP_RECORD])  # noqa: C419 (all are heard)

    def skips_place(self, place: str) -> bool:
        """Whether the record at this place is to be skipped."""
        return self.skips.why_of(place) is not None

    def ask_on(self, transaction: Transaction, partition: int, request: RequestRecord) -> None:
        """Ask for the rest of what one transaction cannot hold: in the next one, or a later one."""
        transaction.produce(self.topic, partition, request.key or None, self.encoder(request))

    def _log(self, request: RequestRecord) -> None:
        about = request.place or (f"key {request.key[:80]!r}" if request.key else "all keys")
        log.warning("%s: %s", self.group, asked(request, about))

    def _read(self, record: Record) -> RequestRecord | str:
        try:
            return self.reads.read(record.value)
        except UndecodableError as error:
            return str(error)


def now_ms() -> int:
    """Return the time in milliseconds, for what people read."""
    return time.time_ns() // 1_000_000
