"""What operators do about parked records: look at them, have them tried again, skip one, or skip where one stops.

Whether workers run does not matter: what is parked is read from the groups' logs, and what is asked for is done once a
worker owns the partition.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verbwire.client.base.connection import Connection
from verbwire.declarations import Declared
from verbwire.declarations.subscriber import Subscriber
from verbwire.errors import ConfigurationError, UnkeyableError
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.record import place_of
from verbwire.names import Names, record_place
from verbwire.parking.key_text import KeyText, keys_of, parks, parks_nothing
from verbwire.parking.log_reader import first_offset, read_parked, written
from verbwire.parking.parked_key import ANY, ParkedFilter, ParkedKeyView, ParkedRecordView, said, view_of
from verbwire.requests.sender import Asked, RequestSender
from verbwire.wire.codec.display import Display
from verbwire.wire.codec.parked_records import ParkedRecords
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.parked import ParkedRecord
from verbwire.wire.records.requests import RETRY, SKIP, SKIP_RECORD
from verbwire.wire.registry.client import Registry

_POLL_SECONDS = 0.3
Message = Callable[[Registry, bytes | None], tuple[Any, str | None]]


@dataclass(frozen=True)
class ParkedAnswer:
    """What became of what was asked: keys that are `handled`, `parked` still and why, and those not `seen_to` yet."""

    asked: int
    handled: Sequence[str] = ()
    parked: Mapping[str, str] = field(default_factory=dict)
    waiting: Sequence[str] = ()


class ParkedDesk:
    """The parked records of a project's groups. Close it when done. Its methods block."""

    def __init__(self, connection: Connection, registry: Registry, message: Message) -> None:
        self._connection = connection
        self._names: Names = connection.names
        self._registry = registry
        self._message = message
        self._codec = Codec(connection.catalog, registry, connection.names)
        self._display = Display(registry)
        self._sender: RequestSender | None = None

    def close(self) -> None:
        """Let go of the broker."""
        if self._sender is not None:
            self._sender.close()

    # -- looking

    def every(self, declared: Collection[Declared], where: ParkedFilter = ANY) -> list[ParkedKeyView]:
        """Return the parked keys of these groups that are like that, the longest parked first of each."""
        topics = {self._topic(each): each for each in declared if parks(each)}
        holding = written(self._connection, topics)
        return [key for topic, each in topics.items() if topic in holding for key in self.keys(each, where)]

    def keys(self, declared: Declared, where: ParkedFilter = ANY) -> list[ParkedKeyView]:
        """Return the parked keys of one group that are like that, the longest parked first."""
        keys, kept, found = self._keys(declared), self._kept(declared), list[ParkedKeyView]()
        for (partition, key), records in read_parked(self._connection, self._topic(declared)).items():
            first = kept.read(next(iter(records.values())))
            found.append(view_of(declared.group, keys.shown(key), partition, first, len(records)))
        return sorted(filter(where.fits, found), key=lambda each: (each.since, each.key))

    def show(self, declared: Declared, key: str) -> tuple[ParkedKeyView, list[ParkedRecordView]]:
        """Return a parked key and its records, in order; :class:`ConfigurationError` where it is not parked."""
        partition, records = self._records(declared, key)
        view = view_of(declared.group, key, partition, records[0], len(records))
        return view, [self._shown(each) for each in records]

    # -- doing

    def retry(
        self, declared: Declared, keys: Collection[str] | None, where: ParkedFilter, who: str, why: str, seconds: float
    ) -> ParkedAnswer:
        """Have the records of these keys (None: of all that fit) handled again, in order, each once.

        Waits so long for what becomes of it. :class:`ConfigurationError` for a key that is not parked.
        """
        found = self.chosen(declared, keys, where)
        wanted = [Asked(kind=RETRY, partition=each.partition, key=self._key(declared, each.key)) for each in found]
        return self._ask(declared, found, wanted, who, why, seconds)

    def skip(self, declared: Declared, key: str, who: str, why: str, seconds: float) -> ParkedAnswer:
        """Give up the first parked record of a key, as a dead letter, and have the others handled."""
        _require_reason(why)
        (found,) = self.chosen(declared, [key], ANY)
        wanted = Asked(kind=SKIP, partition=found.partition, key=self._key(declared, key), place=found.place)
        return self._ask(declared, [found], [wanted], who, why, seconds)

    def skip_record(self, declared: Declared, place: str, who: str, why: str) -> str:
        """Give up the record at which a partition of a group stands still, as a dead letter; it goes on by itself.

        Returns the request's id. :class:`ConfigurationError` where the group does not stand there, or is a subscriber:
        that stands still at no record, it waits for room to park more.
        """
        _require_reason(why)
        if isinstance(declared, Subscriber):
            raise ConfigurationError(
                f"{declared.group} is a subscriber, which stands still at no single record: where no more can be "
                "parked, retry parked keys, or skip the first record of one"
            )
        partition = self._require_standing(declared, place)
        (id,) = self._open().ask(declared.group, [Asked(kind=SKIP_RECORD, partition=partition, place=place)], who, why)
        return id

    def chosen(
        self, declared: Declared, keys: Collection[str] | None, where: ParkedFilter = ANY
    ) -> list[ParkedKeyView]:
        """Return the parked keys that are meant; :class:`ConfigurationError` for one that is not parked."""
        found = self.keys(declared, where)
        if keys is None:
            return found
        if missing := sorted({*keys} - {each.key for each in found}):
            raise _not_parked(declared, missing[0])
        return [each for each in found if each.key in keys]

    # -- inside

    def _ask(
        self,
        declared: Declared,
        found: Sequence[ParkedKeyView],
        wanted: Sequence[Asked],
        who: str,
        why: str,
        seconds: float,
    ) -> ParkedAnswer:
        if not found:
            return ParkedAnswer(0)
        ids = self._open().ask(declared.group, wanted, who, why)
        return self._awaited(declared, dict(zip((each.key for each in found), ids, strict=True)), seconds)

    def _awaited(self, declared: Declared, asked: Mapping[str, str], seconds: float) -> ParkedAnswer:
        until, keys, kept = time.monotonic() + seconds, self._keys(declared), self._kept(declared)
        while True:
            there = {
                keys.shown(key): kept.read(next(iter(records.values())))
                for (_, key), records in read_parked(self._connection, self._topic(declared)).items()
            }
            handled = [key for key in asked if key not in there]
            parked = {key: there[key].reason for key, id in asked.items() if key in there and there[key].request == id}
            waiting = [key for key in asked if key not in handled and key not in parked]
            if not waiting or time.monotonic() > until:
                return ParkedAnswer(len(asked), handled, parked, waiting)
            time.sleep(_POLL_SECONDS)

    def _records(self, declared: Declared, key: str) -> tuple[int, list[ParkedRecord]]:
        wanted, kept = self._key(declared, key), self._kept(declared)
        for (partition, each), records in read_parked(self._connection, self._topic(declared)).items():
            if each == wanted:
                return partition, [kept.read(value) for value in records.values()]
        raise _not_parked(declared, key)

    def _shown(self, record: ParkedRecord) -> ParkedRecordView:
        original = record.original
        message, unread = self._message(self._registry, original.value)
        return ParkedRecordView(
            place=place_of(original),
            type=said(record, "ce_type"),
            id=said(record, "ce_id"),
            time=original.timestamp,
            since=record.since,
            reason=record.reason,
            detail=record.detail,
            attempts=record.attempts,
            headers=[(name, (value or b"").decode(errors="backslashreplace")) for name, value in original.headers],
            message=message,
            unread=unread,
        )

    def _require_standing(self, declared: Declared, place: str) -> int:
        """Return the partition of a place, if the group has read up to it and no further."""
        found = record_place(place)
        if found is None:
            raise ConfigurationError(f"{place!r} is no place of a record: write topic/partition/offset")
        topic, partition, offset = found
        cluster = ClusterOffsets(self._connection.librdkafka, self._names.group(declared.group))
        committed = cluster.committed([(topic, partition)]).get((topic, partition))
        stands = 0 if committed is None or committed.offset is None else committed.offset
        # Between what it has read and what it stands at there may be markers of transactions, which are no records.
        if stands != offset and (stands > offset or first_offset(self._connection, found[:2], stands) != offset):
            raise ConfigurationError(
                f"{declared.group} does not stand at {place}: it has read {topic}/{partition} up to {stands}. "
                "`verbwire status` says where it does"
            )
        return partition

    def _kept(self, declared: Declared) -> ParkedRecords:
        return ParkedRecords(self._codec, self._topic(declared))

    def _open(self) -> RequestSender:
        if self._sender is None:
            self._sender = RequestSender(self._connection, self._registry)
        return self._sender

    def _key(self, declared: Declared, text: str) -> bytes:
        try:
            return self._keys(declared).read(text)
        except UnkeyableError as error:
            raise ConfigurationError(str(error)) from error

    def _keys(self, declared: Declared) -> KeyText:
        return keys_of(declared, self._connection.catalog)

    def _topic(self, declared: Declared) -> str:
        if not parks(declared):
            raise parks_nothing(declared)
        return self._names.parked(self._names.group(declared.group))


def _not_parked(declared: Declared, key: str) -> ConfigurationError:
    return ConfigurationError(f"the key {key!r} of {declared.group} is not parked: `verbwire parked list` lists them")


def _require_reason(why: str) -> None:
    if not why.strip():
        raise ConfigurationError("say why it is skipped: whoever looks for it later has nothing else")
