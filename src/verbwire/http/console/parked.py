"""Parked records as the console shows them, and what operators do about them: what ``verbwire parked`` does.

On a Kafka with ACLs a worker's principal needs what the role ``operator`` has on these topics; where it lacks that, the
answer names the missing right.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.dead_letters.shown import shown_message
from verbwire.errors import ConfigurationError
from verbwire.http.console.served_connection import served
from verbwire.parking.desk import ParkedAnswer, ParkedDesk
from verbwire.parking.parked_key import ANY, ParkedFilter
from verbwire.principal import Principal
from verbwire.project import Project
from verbwire.wire.registry.client import Registry

_SECONDS = 3.0  # that a request waits for what becomes of it
_SHOWN = 100  # records of a key
_log = logging.getLogger("verbwire.http")
Json = dict[str, Any]
_Why = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class FindParkedWish(msgspec.Struct, forbid_unknown_fields=True):
    """Which parked keys an operator looks for."""

    where: ParkedFilter = ANY


class RetryParkedWish(msgspec.Struct, forbid_unknown_fields=True):
    """These keys, or with null all that fit, are to be handled again. With `dry_run` it is only told which they are."""

    keys: list[str] | None
    where: ParkedFilter = ANY
    why: Annotated[str, msgspec.Meta(max_length=500)] = ""
    dry_run: bool = False


class SkipWish(msgspec.Struct, forbid_unknown_fields=True):
    """The first record of this key is to be skipped, or the record at this place, at which a partition stands still."""

    why: _Why
    key: str | None = None
    at: str | None = None


class ConsoleParking:
    """Reads the parked records of a project's groups. Every method blocks: call it off the loop."""

    def __init__(self, project: Project, connection: Connection, registry: Registry) -> None:
        self._project = project
        self._connection = connection
        self._registry = registry

    def listed(self) -> Json:
        """Return the parked keys of all groups."""
        with self._opened() as desk:
            return {"parked": desk.every(list(self._project.declared.values()))}

    def one(self, name: str, key: str) -> Json:
        """Return one parked key, and its first records."""
        with self._opened() as desk:
            found, records = desk.show(self._project.declared_group(name), key)
        return {"key": found, "records": records[:_SHOWN]}

    def found(self, wanted: FindParkedWish, _: Principal, name: str) -> Json:
        """Return the parked keys of a group that are like that."""
        with self._opened() as desk:
            return {"parked": desk.keys(self._project.declared_group(name), wanted.where)}

    def retry(self, wanted: RetryParkedWish, who: Principal, name: str) -> Json:
        """Have keys handled again; return what has become of them by now."""
        declared = self._project.declared_group(name)
        with self._opened() as desk:
            if wanted.dry_run:
                return {"would_retry": desk.chosen(declared, wanted.keys, wanted.where)}
            _log.warning("%.200r has parked records of %s handled again: %.500r", who.actor, name, wanted.why)
            found = desk.retry(declared, wanted.keys, wanted.where, who.actor or "", wanted.why, _SECONDS)
        return _told(found)

    def skip(self, wanted: SkipWish, who: Principal, name: str) -> Json:
        """Skip a record; return what has become of it by now."""
        if (wanted.key is None) == (wanted.at is None):
            raise ConfigurationError("name a key, or the place of a record: one of `key` and `at`")
        declared = self._project.declared_group(name)
        _log.warning("%.200r skips %s of %s: %.500r", who.actor, wanted.key or wanted.at, name, wanted.why)
        with self._opened() as desk:
            if wanted.key is not None:
                return _told(desk.skip(declared, wanted.key, who.actor or "", wanted.why, _SECONDS))
            return {"request": desk.skip_record(declared, wanted.at or "", who.actor or "", wanted.why)}

    @contextmanager
    def _opened(self) -> Iterator[ParkedDesk]:
        with closing(ParkedDesk(served(self._connection), self._registry, shown_message)) as desk:
            yield desk


def _told(found: ParkedAnswer) -> Json:
    told: Json = msgspec.to_builtins(found)
    return told
