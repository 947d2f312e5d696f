"""Dead letters as the console shows them, and requeueing: what ``verbwire dead-letters`` does.

On a Kafka with ACLs a worker's principal needs what the role ``operator`` has on these topics; where it lacks that, the
answer names the missing right.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.dead_letters.requeue import DeadLetter, DeadLetterPlace, DeadLetters
from verbwire.declarations import Declared
from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.errors import ConfigurationError, UndecodableError
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.names import DEAD_LETTER_READER
from verbwire.principal import Principal
from verbwire.project import Project
from verbwire.wire.codec.display import plain
from verbwire.wire.json.numbers import exact
from verbwire.wire.registry.client import Registry

_SHOWN = 100  # of each group, the newest
_FIRST_LINE = 200  # characters of a detail in a list
_log = logging.getLogger("verbwire.http")
Json = dict[str, Any]


class RequeueWish(msgspec.Struct, forbid_unknown_fields=True):
    """What an operator wants: these places, partition/offset, or all that were not requeued yet."""

    places: list[str] | None
    again: bool = False
    unchecked: bool = False


class ConsoleDeadLetters:
    """Reads and requeues the dead letters of a project's groups. Every method blocks: call it off the loop."""

    def __init__(self, project: Project, connection: Connection, registry: Registry) -> None:
        self._project = project
        self._connection = connection
        self._registry = registry

    def listed(self) -> Json:
        """Return the newest dead letters of every group that has some."""
        with self._opened() as dead_letters:
            return {"groups": [self._page(dead_letters, group) for group in self._written()]}

    def one(self, name: str, place: str) -> Json:
        """Return one dead letter: its headers, and its message as JSON, or in hexadecimal where it is unreadable."""
        with self._opened() as dead_letters:
            found = dead_letters.one(self._declared(name).group, DeadLetterPlace.of(place.replace("-", "/")))
        original = found.record.original
        message, unread = self._message(original.value)
        headers = [[name, (value or b"").decode(errors="backslashreplace")] for name, value in original.headers]
        return {
            **_line(found),
            "detail": found.record.detail,
            "time": original.timestamp,
            "key": None if original.key is None else original.key.decode(errors="backslashreplace"),
            "headers": headers,
            "message": message,
            "unread": unread,
        }

    def requeue(self, wanted: RequeueWish, who: Principal, name: str) -> Json:
        """RequeueWish dead letters to their group; return how many, and why others were not."""
        declared = self._declared(name)
        places = None if wanted.places is None else [DeadLetterPlace.of(each) for each in wanted.places]
        with self._opened() as dead_letters:
            count, left = dead_letters.requeue(declared, places, wanted.again, wanted.unchecked)
        _log.warning("%.200r has requeued %d dead letters of %s by the console", who.actor, count, name)
        return {"requeued": count, "left": left}

    def _page(self, dead_letters: DeadLetters, group: str) -> Json:
        page = dead_letters.page(group, _SHOWN)
        lines = [_line(each) for each in reversed(page.dead_letters)]
        requeues = not isinstance(self._project.declared[group], Table | Process)
        return {"group": group, "total": page.total, "letters": lines, "requeues": requeues}

    def _written(self) -> list[str]:
        """The groups whose topics of dead letters hold anything: most have none, and reading each takes its time."""
        names = self._connection.names
        kafka = {**self._connection.kafka, "bootstrap.servers": self._connection.bootstrap}
        cluster = ClusterOffsets(kafka, DEAD_LETTER_READER)
        topics = {names.dead_letters(names.group(group)): group for group in self._project.groups}
        there = cluster.topic_identities(list(topics))
        places = [(topic, each) for topic, found in there.items() for each in range(found.partitions)]
        ends, starts = cluster.stable_ends(places), cluster.starts(places)
        return sorted({topics[place[0]] for place in places if ends[place] > starts[place]})

    @contextmanager
    def _opened(self) -> Iterator[DeadLetters]:
        with closing(DeadLetters(self._connection)) as dead_letters:
            yield dead_letters

    def _declared(self, group: str) -> Declared:
        if group not in self._project.declared:
            raise ConfigurationError(f"no group has the name {group}: there are {', '.join(self._project.groups)}")
        return self._project.declared[group]

    def _message(self, value: bytes | None) -> tuple[Any, str | None]:
        if value is None:
            return None, None
        try:
            return exact(plain(self._registry, value)), None
        except UndecodableError as error:
            return value.hex(), str(error)


def _line(found: DeadLetter) -> Json:
    return {
        "group": found.group,
        "place": str(found.place),
        "origin": found.origin,
        "type": found.type,
        "id": found.id,
        "reason": found.record.reason,
        "since": found.since,
        "why": found.record.detail.partition("\n")[0][:_FIRST_LINE],
    }
