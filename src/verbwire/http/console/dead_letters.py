"""Dead letters as the console shows them, and requeueing: what ``verbwire dead-letters`` does.

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
from verbwire.dead_letters.letter import DeadLetter, DeadLetterPlace
from verbwire.dead_letters.requeue import DeadLetterPage, DeadLetters, Requeueing
from verbwire.dead_letters.selection import ANY, AsOf, Choice, LetterFilter
from verbwire.dead_letters.shown import exported, shown_message
from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.http.console.served_connection import served
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.names import DEAD_LETTER_READER
from verbwire.principal import Principal
from verbwire.project import Project
from verbwire.wire.records.dead_letters import Discarded
from verbwire.wire.registry.client import Registry

_SHOWN = 100  # of each group, the newest
_EXPORTED_BYTES = 4 * 1024 * 1024  # of the values in one answer, roughly
_FIRST_LINE = 200  # characters of a detail in a list
_log = logging.getLogger("verbwire.http")
Json = dict[str, Any]


class FindWish(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead letters an operator looks for; the newest of them, with `again` those too that are settled."""

    where: LetterFilter = ANY
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    again: bool = False


class ExportWish(msgspec.Struct, forbid_unknown_fields=True):
    """Which dead letters an operator wants whole; with `again` those too that are settled. Those `behind` a place come.

    Until they are as many as `limit`, or a few megabytes: the answer's `next` goes on.
    """

    where: LetterFilter = ANY
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    again: bool = False
    behind: str | None = None


class ChoiceWish(msgspec.Struct, forbid_unknown_fields=True):
    """The dead letters that are meant: these places, partition/offset, or all that nothing was done with yet.

    With `as_of`, as a list told it, those that came later are not. With `dry_run` it is only told which they are.
    """

    places: list[str] | None
    where: LetterFilter = ANY
    as_of: str | None = None
    dry_run: bool = False

    def read(self) -> Choice:
        """Return the choice; :class:`ConfigurationError` for what is no place."""
        places = None if self.places is None else frozenset(map(DeadLetterPlace.of, self.places))
        return Choice(places, self.where, None if self.as_of is None else AsOf.of(self.as_of))


class RequeueWish(ChoiceWish, forbid_unknown_fields=True):
    """Those are to be requeued."""

    again: bool = False
    unchecked: bool = False
    insist: bool = False
    rate: Annotated[int, msgspec.Meta(ge=1)] | None = None


class DiscardWish(ChoiceWish, forbid_unknown_fields=True, kw_only=True):
    """Those are to be discarded, and why."""

    why: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


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
            group = self._project.declared_group(name).group
            found = dead_letters.one(group, DeadLetterPlace.of(place.replace("-", "/")))
        original = found.record.original
        message, unread = shown_message(self._registry, original.value)
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
        """Requeue dead letters to their group; return how many, and why others were not."""
        declared, lines = self._project.declared_group(name), _Lines()
        how = Requeueing(wanted.again, wanted.unchecked, wanted.insist, wanted.rate, wanted.dry_run)
        with self._opened() as dead_letters:
            count, left = dead_letters.requeue(declared, wanted.read(), how, lines.add)
        if wanted.dry_run:
            return {"would_requeue": count, "left": left, "letters": lines.kept}
        _log.warning("%.200r has requeued %d dead letters of %s by the console", who.actor, count, name)
        return {"requeued": count, "left": left}

    def discard(self, wanted: DiscardWish, who: Principal, name: str) -> Json:
        """Discard dead letters of a group; return how many, and why others were not."""
        group, lines = self._project.declared_group(name).group, _Lines()
        with self._opened() as dead_letters:
            actor = who.actor or ""
            count, left = dead_letters.discard(group, wanted.read(), actor, wanted.why, wanted.dry_run, lines.add)
        if wanted.dry_run:
            return {"would_discard": count, "left": left, "letters": lines.kept}
        _log.warning("%.200r has discarded %d dead letters of %s: %.500r", who.actor, count, name, wanted.why)
        return {"discarded": count, "left": left}

    def found(self, wanted: FindWish, _: Principal, name: str) -> Json:
        """Return the newest dead letters of a group that are like that."""
        group = self._project.declared_group(name).group
        with self._opened() as dead_letters:
            page = dead_letters.page(group, wanted.limit, wanted.again, wanted.where)
        return self._shown(group, page)

    def exported(self, wanted: ExportWish, _: Principal, name: str) -> Json:
        """Return dead letters of a group whole, in the order of their places, and where the rest of them begins."""
        group, letters = self._project.declared_group(name).group, list[Json]()
        behind = None if wanted.behind is None else DeadLetterPlace.of(wanted.behind)
        last, room = wanted.behind, _EXPORTED_BYTES
        with self._opened() as dead_letters:
            for found in dead_letters.every(group, wanted.where, wanted.again, behind):
                room -= len(found.record.original.value or b"")
                if letters and (len(letters) == wanted.limit or room < 0):
                    return {"letters": letters, "next": last}
                letters.append(exported(self._registry, found))
                last = str(found.place)
        return {"letters": letters, "next": None}

    def _page(self, dead_letters: DeadLetters, group: str) -> Json:
        return self._shown(group, dead_letters.page(group, _SHOWN))

    def _shown(self, group: str, page: DeadLetterPage) -> Json:
        lines = [_line(each, page.discarded.get(each.place)) for each in reversed(page.dead_letters)]
        requeues = not isinstance(self._project.declared[group], Table | Process)
        return {
            "group": group,
            "total": page.total,
            "letters": lines,
            "requeues": requeues,
            "as_of": str(page.as_of),
        }

    def _written(self) -> list[str]:
        """The groups whose topics of dead letters hold anything: most have none, and reading each takes its time."""
        names, kafka = served(self._connection).names, self._connection.librdkafka
        cluster = ClusterOffsets(kafka, DEAD_LETTER_READER)
        topics = {names.dead_letters(names.group(group)): group for group in self._project.groups}
        there = cluster.topic_identities(list(topics))
        places = [(topic, each) for topic, found in there.items() for each in range(found.partitions)]
        ends, starts = cluster.stable_ends(places), cluster.starts(places)
        return sorted({topics[place[0]] for place in places if ends[place] > starts[place]})

    @contextmanager
    def _opened(self) -> Iterator[DeadLetters]:
        with closing(DeadLetters(served(self._connection))) as dead_letters:
            yield dead_letters


class _Lines:
    """The first dead letters that something is told of."""

    def __init__(self) -> None:
        self.kept: list[Json] = []

    def add(self, found: DeadLetter) -> None:
        """Keep its line, where there is room."""
        if len(self.kept) < _SHOWN:
            self.kept.append(_line(found))


def _line(found: DeadLetter, discarded: Discarded | None = None) -> Json:
    settled = {} if discarded is None else {"discarded": discarded}
    return {
        **settled,
        "group": found.group,
        "place": str(found.place),
        "origin": found.origin,
        "type": found.type,
        "id": found.id,
        "reason": found.record.reason,
        "since": found.since,
        "why": found.record.detail.partition("\n")[0][:_FIRST_LINE],
    }
