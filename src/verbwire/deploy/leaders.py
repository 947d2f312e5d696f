"""Waits for the leaders of new topics, as each broker knows them.

The controller answers before the brokers have read of a topic in its log (KIP-500), each at its own pace: until then a
client that asks that broker is told that there is no such topic.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, BrokerMetadata

from verbwire.errors import UnavailableError

_PAUSE_SECONDS = 0.02  # at first: each answer tells all that there is, and a broker that is kept busy by it learns late
_LONGEST_PAUSE_SECONDS = 0.5
_BROKER_SECONDS = 5.0  # for one answer of a broker, which may not be reachable from here


def await_leaders(
    kafka: Mapping[str, Any], brokers: Iterable[BrokerMetadata], topics: Mapping[str, int], seconds: float
) -> list[str]:
    """Wait until each of the brokers knows a leader of every partition of `topics` (name -> number of partitions).

    Returns a note for each broker that cannot be asked from here. :class:`UnavailableError` after so many seconds.
    """
    deadline, notes = time.monotonic() + seconds, []
    for broker in brokers:
        address = f"[{broker.host}]:{broker.port}" if ":" in broker.host else f"{broker.host}:{broker.port}"
        # A new client asks the broker that it bootstraps from: connections to others are opened when they are needed.
        admin = AdminClient({**kafka, "bootstrap.servers": address})
        try:
            _await_leaders(admin, address, topics, deadline)
        except KafkaException as error:
            notes.append(f"broker {address} was not asked whether it knows the new topics: {error.args[0].str()}")
    return notes


def _await_leaders(admin: AdminClient, address: str, topics: Mapping[str, int], deadline: float) -> None:
    began = time.monotonic()
    while waiting := _without_leaders(admin, topics):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"topics were created, but broker {address} knows no leaders of them yet: {', '.join(waiting)}; "
                "look at the brokers"
            )
        time.sleep(min(_LONGEST_PAUSE_SECONDS, max(_PAUSE_SECONDS, (time.monotonic() - began) / 3)))


def _without_leaders(admin: AdminClient, topics: Mapping[str, int]) -> list[str]:
    found = admin.list_topics(timeout=_BROKER_SECONDS).topics
    led = {name: sum(each.leader >= 0 for each in found[name].partitions.values()) for name in topics if name in found}
    return [name for name, partitions in topics.items() if led.get(name, 0) < partitions]
