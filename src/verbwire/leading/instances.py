"""Asks the group of a process to do something about one of its instances."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.declarations.process import Process
from verbwire.errors import ConfigurationError
from verbwire.inspection.processes import InstanceFilter, OpenInstance, SentCommand, open_instances
from verbwire.inspection.reading.cluster import OpenCluster, Span
from verbwire.inspection.reading.cluster_view import ClusterView
from verbwire.kafka.record import ConsumedRecord
from verbwire.names import record_place
from verbwire.requests.sender import Asked, RequestSender
from verbwire.wire.keys import parse_key_text
from verbwire.wire.records.instance_requests import CANCEL, HEAR, SEND_AGAIN, carried


class CommandRetry(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for because of a command without an outcome.

    `how`: `sent again`, under its id; `outcome handed over`, where it is in the outcome log and the process has not
    heard it; `gone`: the command is not in its topic any more, nothing was asked.
    """

    command: str
    id: str
    how: str


class InstanceAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What a group was asked about one of its instances; it does it in its own time, once."""

    process: str
    key: str
    requests: tuple[str, ...]  # their ids
    commands: tuple[CommandRetry, ...] = ()


@dataclass(frozen=True)
class InstanceLeader:
    """Asks on behalf of one operator. Every method blocks."""

    view: ClusterView
    connection: Connection

    def retry(self, process: str, key: str, who: str, why: str = "") -> InstanceAsked:
        """Have an instance's group ask once more for what the instance waits for.

        Each command goes out under its id, so that a receiver that has dealt with it does not do so again; where its
        outcome is known and the process has not heard it, it is handed that. :class:`ConfigurationError` where no such
        instance is open, or it waits for no outcome.
        """
        found = self._open(process, key)
        if not found.waits_for:
            what = (
                "its commands could not be read" if found.waits_for is None else "it waits for an event or a deadline"
            )
            raise ConfigurationError(f"{process} {key} waits for no outcome: {what}")
        wanted: list[Asked] = []
        told: list[CommandRetry] = []
        for command in found.waits_for:
            asked, how = self._again(found, command)
            told.append(CommandRetry(command=command.command, id=command.id, how=how))
            wanted += [asked] if asked else []
        ids = self._ask(process, wanted, who, why) if wanted else ()
        return InstanceAsked(process=process, key=key, requests=tuple(ids), commands=tuple(told))

    def cancel(self, process: str, key: str, who: str, why: str) -> InstanceAsked:
        """Have an instance cancelled: what its process declares for that undoes it, else it is over at once.

        :class:`ConfigurationError` where no such instance is open, or nobody says why.
        """
        if not why.strip():
            raise ConfigurationError("say why it is cancelled: the process is told, and the log")
        asked = self._asked(CANCEL, self._open(process, key))
        return InstanceAsked(process=process, key=key, requests=tuple(self._ask(process, [asked], who, why)))

    # -- inside

    def _open(self, process: str, key: str) -> OpenInstance:
        report = open_instances(self.view, [process], 1, InstanceFilter(key=key))
        if not report.instances:
            raise ConfigurationError(
                f"{process} has no open instance {key}: it has ended, or never began (`verbwire processes list`)"
            )
        return report.instances[0]

    def _again(self, found: OpenInstance, command: SentCommand) -> tuple[Asked | None, str]:
        cluster = OpenCluster(self.view)
        if command.answered_at:
            return self._with(HEAR, found, _record_at(cluster, command.answered_at)), "outcome handed over"
        if command.place:
            return self._with(SEND_AGAIN, found, _record_at(cluster, command.place)), "sent again"
        return None, "gone"

    def _with(self, kind: str, found: OpenInstance, record: ConsumedRecord) -> Asked:
        return replace(self._asked(kind, found), details=carried(record), place="")

    def _asked(self, kind: str, found: OpenInstance) -> Asked:
        contract = self.view.project.catalog.of(self._declared(found.process).state)
        return Asked(kind=kind, partition=found.partition, key=parse_key_text(contract, found.key))

    def _declared(self, process: str) -> Process[Any]:
        return next(each for each in self.view.project.processes if each.group == process)

    def _ask(self, process: str, wanted: Sequence[Asked], who: str, why: str) -> Sequence[str]:
        with closing(RequestSender(self.connection, self.view.registry)) as sender:
            return sender.ask(process, wanted, who, why)


def _record_at(cluster: OpenCluster, place: str) -> ConsumedRecord:
    if (found := record_place(place)) is not None:
        topic, partition, offset = found
        for message in cluster.read({(topic, partition): Span(offset, offset + 1)}):
            headers = [(name, value or b"") for name, value in message.headers() or ()]
            at = int(message.timestamp()[1])
            return ConsumedRecord(topic, partition, offset, at, message.key(), message.value(), headers)
    raise ConfigurationError(f"{place} is not there any more")
