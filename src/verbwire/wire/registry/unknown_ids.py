"""Whose fault it is that the registry does not know the schema id of a record: the record's, or the registry's.

Anybody who may write to a topic can write an id that nobody ever gave out; such a record is beyond help. But a registry
may lack ids that it did give out: one that has lost its data, one behind a proxy that hides half of its API, one of
several that has not heard yet of what was registered at another. Its records are as good as any: they wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from verbwire.errors import RegistryUnavailableError, UndecodableError
from verbwire.wire.registry.client import Registry

LAG_SECONDS = 3.0  # within which one registry hears of what was registered at another
_ONCE_IN_SECONDS = 60.0  # so that who writes ids at random holds up a topic for a twentieth of the time at most
_LISTING_SECONDS = 3.0  # how long a listing of the subjects is good for: it takes a request a version
_LARGEST = 2**31 - 1


class UnknownIds:
    """Judges the ids of one topic. `subjects` are those of the contracts handled there.

    May be used by several threads; `clock` returns seconds.
    """

    def __init__(self, subjects: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._subjects = subjects
        self._clock = clock
        self._lock = threading.Lock()
        self._listed: dict[int, str] = {}  # what the registry lists under those subjects: id -> subject
        self._listed_at = float("-inf")
        self._waited_since = float("-inf")

    def blame(self, registry: Registry, schema_id: int) -> UndecodableError | RegistryUnavailableError:
        """Return what is to be raised for an id that the registry does not know, by its own answer just now."""
        refused = UndecodableError(f"the registry knows no schema {schema_id}")
        if not 0 < schema_id <= _LARGEST or not self._subjects:
            return refused
        with self._lock:
            return self._fault(registry, schema_id) or refused

    def _fault(self, registry: Registry, schema_id: int) -> RegistryUnavailableError | None:
        now = self._clock()
        if now - self._listed_at > _LISTING_SECONDS:
            listed = {number: subject for subject in self._subjects for number, _ in registry.versions(subject)}
            self._listed, self._listed_at = listed, now
        if subject := self._listed.get(schema_id):
            return RegistryUnavailableError(
                f"the registry {registry.shown} lists schema {schema_id} under {subject}, and does not give it by its "
                f"id: see GET /schemas/ids/{schema_id}/versions there"
            )
        if not self._listed:
            return RegistryUnavailableError(
                f"the registry {registry.shown} knows none of {', '.join(sorted(self._subjects))}, nor schema "
                f"{schema_id}: bring back its data, or run `verbwire deploy` where it never had any"
            )
        # Ids are given out in ascending order, and heard of in that order.
        if schema_id > max(self._listed) and self._may_lag(now):
            return RegistryUnavailableError(
                f"the registry {registry.shown} does not know schema {schema_id}, perhaps not yet"
            )
        return None

    def _may_lag(self, now: float) -> bool:
        if now - self._waited_since > _ONCE_IN_SECONDS:
            self._waited_since = now
        return now - self._waited_since < LAG_SECONDS
