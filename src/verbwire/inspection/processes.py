"""Open process instances: since when they are under way, and what each waits for. All of it is read from Kafka.

An instance is open while its state stands in its group's changelog. It waits for the outcomes of its commands that are
not in their outcome logs; where none is missing, for an event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.process import Process
from verbwire.errors import ConfigurationError, UndecodableError
from verbwire.inspection.lag import broker_time
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.inspection.reading.cluster_view import ClusterView, in_order
from verbwire.wire.codec.display import plain
from verbwire.wire.headers import Headers
from verbwire.wire.keys import key_text
from verbwire.wire.process_command_ids import CommandIds
from verbwire.wire.records.changelog import MARK
from verbwire.wire.records.outcomes import OutcomeRecord

_SLACK_MS = 60_000  # clocks of workers, which stamp changelogs, and of the broker, which stamps commands


class SentCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command that an instance has sent; `outcome` is its status, None while there is none."""

    command: str
    id: str
    place: str
    seconds: float
    outcome: str | None = None


class OpenInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An open instance: `since` is its oldest step that its changelog still holds, `seconds` how long ago the last was.

    `waits_for` are commands without an outcome. Where there are none, it waits for one of the `events` of its process,
    or for its group to read the outcome that is there already. None: the commands could not be read.
    """

    process: str
    key: str
    partition: int
    since_ms: int
    last_ms: int
    seconds: float
    state: Any
    waits_for: tuple[SentCommand, ...] | None
    sent: tuple[SentCommand, ...] = ()


class ProcessReport(msgspec.Struct, frozen=True, kw_only=True):
    """The open instances of some processes, those without a step for longest first; `total` is how many there are."""

    instances: tuple[OpenInstance, ...]
    total: dict[str, int]
    events: dict[str, tuple[str, ...]]
    clock: str
    unknown: dict[str, str]


class _Open(msgspec.Struct):
    key: bytes
    partition: int
    since_ms: int
    last_ms: int
    value: bytes


def open_instances(
    view: ClusterView,
    names: Sequence[str] = (),
    limit: int = 50,
    key: str | None = None,
    step: Callable[[], None] = lambda: None,
) -> ProcessReport:
    """Return the open instances of these processes, by default of all; of each process `limit`, the oldest first.

    With a `key` that one alone. `step` is called for each record that is read, and may end it all by raising.
    :class:`ConfigurationError` where no process is called so.
    """
    view.unknown.clear()
    now_ms, clock = broker_time(view)
    cluster = OpenCluster(view, step)
    found: list[OpenInstance] = []
    total, events = {}, {}
    for process in _chosen(view, names):
        contract = view.project.catalog.of(process.state)
        every = _read_open(cluster, process)
        total[process.group] = len(every)
        events[process.group] = tuple(sorted(each.__contract__ for each in process.handlers))
        some = sorted(every, key=lambda each: each.last_ms)
        if key is not None:
            some = [each for each in some if _text(contract, each.key) == key]
        found += _instances(view, cluster, process, contract, some[:limit], now_ms)
    return ProcessReport(
        instances=tuple(sorted(found, key=lambda each: -each.seconds)),
        total=total,
        events=events,
        clock=clock,
        unknown=in_order(view.unknown),
    )


def _chosen(view: ClusterView, names: Sequence[str]) -> list[Process[Any]]:
    every = {each.group: each for each in view.project.processes}
    for name in names:
        if name not in every:
            raise ConfigurationError(f"no process is called {name}: there are {', '.join(sorted(every)) or 'none'}")
    return [every[name] for name in names or sorted(every)]


def _read_open(cluster: OpenCluster, process: Process[Any]) -> list[_Open]:
    names = cluster.codec.names
    topic = names.changelog(names.group(process.group), process.table)
    found: dict[bytes, _Open] = {}
    for message in cluster.records(topic):
        key, value, at_ms = message.key() or MARK, message.value(), message.timestamp()[1]
        if key == MARK:
            continue
        if value is None:
            found.pop(key, None)
        elif key in found:
            found[key].last_ms, found[key].value = at_ms, value
        else:
            found[key] = _Open(key, message.partition() or 0, at_ms, at_ms, value)
    return [*found.values()]


def _instances(
    view: ClusterView,
    cluster: OpenCluster,
    process: Process[Any],
    contract: Contract,
    some: Sequence[_Open],
    now_ms: int,
) -> Iterator[OpenInstance]:
    sent = view.unless_unknown(f"commands of {process.group}", lambda: _sent(cluster, process, some, now_ms))
    for each in some:
        commands = () if sent is None else tuple(sent.get(each.key, ()))
        waiting = tuple(command for command in commands if command.outcome is None)
        yield OpenInstance(
            process=process.group,
            key=_text(contract, each.key),
            partition=each.partition,
            since_ms=each.since_ms,
            last_ms=each.last_ms,
            seconds=_ago(now_ms, each.last_ms),
            state=_shown(view, each.value),
            waits_for=None if sent is None else waiting,
            sent=commands,
        )


def _text(contract: Contract, key: bytes) -> str:
    try:
        return key_text(contract, key)
    except UndecodableError:
        return repr(key)


def _shown(view: ClusterView, value: bytes) -> Any:
    shown = view.unless_unknown("states", lambda: plain(view.registry, value))
    return None if shown is None else msgspec.to_builtins(shown)


def _ago(now_ms: int, at_ms: int) -> float:
    return max(0.0, round((now_ms - at_ms) / 1000, 1))


# -- commands and their outcomes


def _sent(
    cluster: OpenCluster, process: Process[Any], some: Sequence[_Open], now_ms: int
) -> Mapping[bytes, list[SentCommand]]:
    """The commands of these instances, each with its outcome where there is one, the oldest first."""
    if not some:
        return {}
    ids, wanted = CommandIds(process.group), {each.key for each in some}
    begin = min(each.since_ms for each in some) - _SLACK_MS
    namespaces = sorted({command.__contract__.rpartition(".")[0] for command in process.sends})
    outcomes = dict(_outcomes(cluster, namespaces, begin, ids))
    found: dict[bytes, list[SentCommand]] = defaultdict(list)
    for topic in map(cluster.codec.names.commands, namespaces):
        for message in cluster.records(topic, begin):
            headers = Headers(message.headers())
            key = _instance(ids, headers)
            if key not in wanted:
                continue
            id = headers.id or ""
            command = SentCommand(
                command=headers.type or "?",
                id=id,
                place=f"{topic}/{message.partition()}/{message.offset()}",
                seconds=_ago(now_ms, message.timestamp()[1]),
                outcome=outcomes.get(id),
            )
            found[key].append(command)
    for commands in found.values():
        commands.sort(key=lambda each: -each.seconds)
    return found


def _instance(ids: CommandIds, headers: Headers) -> bytes:
    """The key of the instance that sent a command; nothing, which is no key, where another has sent it."""
    try:
        id = headers.id
        parts = ids.read(id) if id else None
        return b"" if parts is None else ids.key(parts, headers.process_instance_key)
    except UndecodableError:
        return b""


def _outcomes(
    cluster: OpenCluster, namespaces: Iterable[str], begin: int, ids: CommandIds
) -> Iterator[tuple[str, str]]:
    for topic in map(cluster.codec.names.outcomes, namespaces):
        decode = cluster.codec.topic_decoder(topic, "verbwire", {OutcomeRecord.__contract__: OutcomeRecord}).decode
        for message in cluster.records(topic, begin):
            if not _is_answer(ids, Headers(message.headers())):
                continue
            record = decode(message.value())
            if isinstance(record, OutcomeRecord):
                yield record.command_id, record.status.lower()


def _is_answer(ids: CommandIds, headers: Headers) -> bool:
    """Whether an outcome may be of a command of this process: the header names it, so that few have to be decoded."""
    try:
        cause = headers.causation_id
    except UndecodableError:
        return False
    return cause is None or ids.read(cause) is not None
