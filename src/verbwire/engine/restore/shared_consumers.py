"""Lends the consumers that read changelogs: one for all groups of a process, more while several restore at length.

Each has threads and connections of its own, and connecting takes 0.4 s: longer than most restores.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from weakref import WeakValueDictionary

from confluent_kafka import Consumer

from verbwire.engine.state.memory import KIB, MEMORY
from verbwire.errors import UnavailableError
from verbwire.kafka.readers import reader_properties
from verbwire.names import RESTORE_READER

PATIENCE = 0.3  # seconds that a restore waits for the reader of another one, before it connects its own
_CONNECT_SECONDS = 10.0


class SharedConsumers:
    """Keeps one connected for as long as it has users. May be used by several threads."""

    def __init__(self, kafka: Mapping[str, str]) -> None:
        self._kafka = kafka
        self._changed = threading.Condition()
        self._spare: Consumer | None = None
        self._lent = 0
        self._users = 0

    def join(self) -> None:
        """Count a user."""
        with self._changed:
            self._users += 1

    def leave(self) -> None:
        """Disconnect once the last user has left."""
        with self._changed:
            self._users -= 1
            if self._users:
                return
            spare, self._spare = self._spare, None
        if spare is not None:
            spare.close()

    def warm(self) -> None:
        """Connect now, not when a partition waits; nothing where that is done, or being done."""
        with self._changed:
            if self._spare is not None or self._lent:
                return
        with self.lend() as consumer:
            consumer.list_topics(timeout=_CONNECT_SECONDS)

    @contextmanager
    def lend(self) -> Iterator[Consumer]:
        """Lend one that nothing is assigned to. One that met an outage is not lent again."""
        consumer = self._take()
        try:
            yield consumer
        except UnavailableError:  # a new client begins from the bootstrap addresses, see kafka/recreatable.py
            self._give_back(None)
            consumer.close()
            raise
        except BaseException:
            self._return(consumer)
            raise
        self._return(consumer)

    def _take(self) -> Consumer:
        with self._changed:
            self._changed.wait_for(lambda: self._spare is not None or not self._lent, PATIENCE)
            self._lent += 1
            spare, self._spare = self._spare, None
        return self._connect() if spare is None else spare

    def _return(self, consumer: Consumer) -> None:
        consumer.unassign()
        if not self._give_back(consumer):
            consumer.close()

    def _give_back(self, consumer: Consumer | None) -> bool:
        """Keep it, where there is none yet, and anybody may want it; return whether that was so."""
        with self._changed:
            self._lent -= 1
            kept = consumer is not None and self._spare is None and self._users > 0
            if kept:
                self._spare = consumer
            self._changed.notify()
            return kept

    def _connect(self) -> Consumer:
        return Consumer(
            reader_properties(
                self._kafka,
                RESTORE_READER,
                fetch_wait_max_ms=20,
                queued_min_messages=100_000,
                queued_max_messages_kbytes=MEMORY.fetched // KIB,
            )
        )


_SHARED: WeakValueDictionary[object, SharedConsumers] = WeakValueDictionary()
_LOCK = threading.Lock()


def consumers_of(kafka: Mapping[str, str]) -> SharedConsumers:
    """Return the process's for these properties, and join."""
    key = tuple(sorted(kafka.items()))
    with _LOCK:
        shared = _SHARED.get(key)
        if shared is None:
            shared = _SHARED[key] = SharedConsumers(dict(kafka))
        shared.join()
        return shared
