"""Writes operators' requests into the topic of a group."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from verbwire.client.base.connection import Connection
from verbwire.client.producing.producer import Producer
from verbwire.errors import ConfigurationError
from verbwire.names import Names
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.requests import REQUEST, RequestRecord
from verbwire.wire.registry.client import Registry

WHO_LIMIT, WHY_LIMIT = 200, 500


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request: its `kind`, the `partition` that it is about, and there a `key`, or a record by its `place`."""

    kind: str
    partition: int
    key: bytes = b""
    place: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


class RequestSender:
    """Sends requests to the groups of a project, on behalf of one operator. Close it when done."""

    def __init__(self, connection: Connection, registry: Registry, producer: Producer | None = None) -> None:
        self._names: Names = connection.names
        self._encode = Codec(connection.catalog, registry, connection.names).encoder(REQUEST)
        self._producer = producer or Producer(connection)

    def close(self) -> None:
        """Let go of the broker."""
        self._producer.close()

    def partitions(self, group: str) -> int:
        """Return how many partitions a group has, whose name is as declared."""
        return self._producer.require_topic(self._topic(group))

    def ask(self, group: str, wanted: Iterable[Asked], who: str, why: str = "") -> Sequence[str]:
        """Send requests to a group and return their ids, in order, once the broker has all of them.

        Each is done once by whoever owns its partition, after what was asked before. :class:`ConfigurationError`
        without a name of who asks, :class:`ContractError` for a group that takes none, or was not deployed.
        """
        if not who.strip():
            raise ConfigurationError("say who asks: set actor (VERBWIRE_ACTOR)")
        topic, now = self._topic(group), time.time_ns() // 1_000_000
        partitions, acks = self._producer.require_topic(topic), []
        for each in wanted:
            if not 0 <= each.partition < partitions:
                raise ConfigurationError(f"{group} has no partition {each.partition}: there are {partitions}")
            request = RequestRecord(
                id=uuid.uuid4().hex,
                kind=each.kind,
                key=each.key,
                place=each.place,
                who=who[:WHO_LIMIT],
                why=why[:WHY_LIMIT],
                at=now,
                details=each.details,
            )
            value = self._encode(request)
            acks.append(self._producer.produce(topic, each.key or None, value, [], request.id, each.partition))
        for ack in acks:
            ack.result()
        return [ack.id for ack in acks]

    def _topic(self, group: str) -> str:
        return self._names.requests(self._names.group(group))
