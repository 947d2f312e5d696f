"""Open process instances: since when they are under way, and what each waits for. All of it is read from Kafka.

An instance is open while its state stands in its group's changelog. What it waits for stands beside it. Of one whose
last step was taken before that was kept, it is the outcomes of its commands that are not in their outcome logs. Where
none is missing it waits for an event, or for a deadline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from confluent_kafka import Message

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
from verbwire.wire.records.process_instances import INSTANCE_HEADER, InstanceRecord, read_instance

_HISTORY = 100  # steps of an instance that are told
_SLACK_MS = 60_000  # clocks of workers, which stamp changelogs, and of the broker, which stamps commands


class SentCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command that an instance has sent; `outcome` is its status, None while there is none, or it was not looked for.

    `place` is where it lies, `answered_at` where its outcome does; empty where they were not looked for, or are not
    there any more.
    """

    command: str
    id: str
    place: str
    seconds: float
    outcome: str | None = None
    answered_at: str = ""


class StepTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A step of an instance: the event, or the command whose outcome it was, `due <deadline>` or `cancelled`."""

    what: str
    at_ms: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances of a process wait for one thing, and for how long the oldest of them has."""

    process: str
    what: str
    instances: int
    seconds: float


class OpenInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An open instance: `since_ms` is when it began, `seconds` how long ago its last step was.

    `waits_for` are commands without an outcome, `unnamed` how many there are besides. Where there are none, it waits
    for one of the `events` of its process, or for a deadline. None: they could not be read. `known`: what it waits for
    stood beside it; else `since_ms` is the oldest step that its changelog still holds. `trouble` is why what an
    operator has asked for could not be done.
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
    known: bool = False
    version: int = 1
    step: str = ""
    steps: int = 0
    unnamed: int = 0
    deadlines: dict[str, int] = {}  # when each is due, milliseconds since the epoch
    trouble: str = ""
    history: tuple[StepTaken, ...] = ()  # as far as the changelog holds it


class ProcessReport(msgspec.Struct, frozen=True, kw_only=True):
    """The open instances of some processes, those without a step for longest first; `total` is how many there are.

    `waiting` is what all of them wait for, the longest first.
    """

    instances: tuple[OpenInstance, ...]
    total: dict[str, int]
    events: dict[str, tuple[str, ...]]
    clock: str
    unknown: dict[str, str]
    waiting: tuple[Waiting, ...] = ()


class _Open(msgspec.Struct):
    key: bytes
    partition: int
    since_ms: int
    last_ms: int
    value: bytes
    record: InstanceRecord | None
    history: list[StepTaken] = []


class InstanceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which instances are meant: those of a key, those that wait for a command, or stand at a step, for so long."""

    key: str | None = None
    waits_for: str | None = None  # a command by its full name, or the end of it
    step: str | None = None
    seconds: float = 0.0  # since its last step
    version: int | None = None


ALL = InstanceFilter()


def open_instances(
    view: ClusterView,
    names: Sequence[str] = (),
    limit: int = 50,
    where: InstanceFilter = ALL,
    step: Callable[[], None] = lambda: None,
) -> ProcessReport:
    """Return the open instances of these processes, by default of all; of each process `limit`, the oldest first.

    Of one that is asked for by its key, all commands that it has sent are looked for. `step` is called for each record
    that is read, and may end it all by raising. :class:`ConfigurationError` where no process is called so.
    """
    view.unknown.clear()
    now_ms, clock = broker_time(view)
    cluster = OpenCluster(view, step)
    found: list[OpenInstance] = []
    total, events, waiting = {}, {}, list[Waiting]()
    for process in _chosen(view, names):
        contract = view.project.catalog.of(process.state)
        every = _read_open(cluster, process)
        total[process.group] = len(every)
        events[process.group] = tuple(sorted(each.__contract__ for each in process.handlers))
        waiting += _waiting(process, every, now_ms)
        some = [each for each in sorted(every, key=lambda each: each.last_ms) if _fits(contract, each, where, now_ms)]
        found += _instances(view, cluster, process, contract, some[:limit], now_ms, where.key is not None)
    return ProcessReport(
        instances=tuple(sorted(found, key=lambda each: -each.seconds)),
        total=total,
        events=events,
        clock=clock,
        unknown=in_order(view.unknown),
        waiting=tuple(sorted(waiting, key=lambda each: -each.seconds)),
    )


def _fits(contract: Contract, each: _Open, where: InstanceFilter, now_ms: int) -> bool:
    record = each.record or InstanceRecord()
    return (
        (where.key is None or _text(contract, each.key) == where.key)
        and (where.version is None or record.version == where.version)
        and (where.step is None or _named(record.step, where.step))
        and (where.waits_for is None or any(_named(one.command, where.waits_for) for one in record.waits.values()))
        and (not where.seconds or now_ms - each.last_ms >= where.seconds * 1000)
    )


def _named(name: str, wanted: str) -> bool:
    return name == wanted or name.endswith("." + wanted)


def _waiting(process: Process[Any], every: Iterable[_Open], now_ms: int) -> Iterator[Waiting]:
    """What instances wait for, as far as that stands beside them: a receiver that is silent is seen here."""
    since: dict[str, list[int]] = defaultdict(list)
    for record in (each.record for each in every if each.record is not None):
        for command in {one.command for one in record.waits.values()}:
            first = min(one.since for one in record.waits.values() if one.command == command)
            since[f"outcome of {command}"].append(first)
        if not record.waits and not record.unnamed:
            since["a deadline or an event" if record.due else "an event"].append(record.at)
    for what, times in since.items():
        yield Waiting(process=process.group, what=what, instances=len(times), seconds=_ago(now_ms, min(times)))


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
            continue
        one = found.get(key)
        if one is None:
            one = found[key] = _Open(key, message.partition() or 0, at_ms, at_ms, value, None)
        record = _record_of(message)
        one.last_ms, one.value, one.record = at_ms, value, record
        if record is not None and record.step:
            one.history = [*one.history[1 - _HISTORY :], StepTaken(what=record.step, at_ms=record.at)]
    return [*found.values()]


def _record_of(message: Message) -> InstanceRecord | None:
    headers = message.headers() or ()
    return next((read_instance(value) for name, value in headers if name == INSTANCE_HEADER), None)


def _instances(
    view: ClusterView,
    cluster: OpenCluster,
    process: Process[Any],
    contract: Contract,
    some: Sequence[_Open],
    now_ms: int,
    all_of_it: bool,
) -> Iterator[OpenInstance]:
    looked_for = [each for each in some if all_of_it or each.record is None or not each.record.begun]
    sent = view.unless_unknown(f"commands of {process.group}", lambda: _sent(cluster, process, looked_for, now_ms))
    for each in some:
        commands, record = () if sent is None else tuple(sent.get(each.key, ())), each.record or InstanceRecord()
        known = record.begun > 0
        waits: tuple[SentCommand, ...] | None = _waited(process, each, record, commands, now_ms)
        if not known:  # those that it has sent since may be all that is told beside it
            waits = None if sent is None else tuple(command for command in commands if command.outcome is None)
        yield OpenInstance(
            process=process.group,
            key=_text(contract, each.key),
            partition=each.partition,
            since_ms=record.begun or each.since_ms,
            last_ms=each.last_ms,
            seconds=_ago(now_ms, each.last_ms),
            state=_shown(view, each.value),
            waits_for=waits,
            sent=commands,
            known=known,
            version=record.version,
            step=record.step,
            steps=record.steps,
            unnamed=record.unnamed,
            deadlines={**record.held, **record.due},
            trouble=record.trouble,
            history=tuple(each.history) if all_of_it else (),
        )


def _waited(
    process: Process[Any], each: _Open, record: InstanceRecord, sent: Sequence[SentCommand], now_ms: int
) -> tuple[SentCommand, ...]:
    """The commands that an instance waits for, as it says itself; with their places where they were looked for."""
    found = {one.id: one for one in sent}
    ids, waits = CommandIds(process.group), list[SentCommand]()
    for rest, one in record.waits.items():
        id = ids.whole(each.key, rest)
        at = SentCommand(command=one.command, id=id, place="", seconds=_ago(now_ms, one.since))
        waits.append(found.get(id, at))
    return tuple(waits)


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
    begin = min(_begun(each) for each in some) - _SLACK_MS
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
                outcome=outcomes.get(id, (None, ""))[0],
                answered_at=outcomes.get(id, (None, ""))[1],
            )
            found[key].append(command)
    for commands in found.values():
        commands.sort(key=lambda each: -each.seconds)
    return found


def _begun(each: _Open) -> int:
    return min(each.since_ms, each.record.begun if each.record and each.record.begun else each.since_ms)


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
) -> Iterator[tuple[str, tuple[str, str]]]:
    for topic in map(cluster.codec.names.outcomes, namespaces):
        decode = cluster.codec.topic_decoder(topic, "verbwire", {OutcomeRecord.__contract__: OutcomeRecord}).decode
        for message in cluster.records(topic, begin):
            if not _is_answer(ids, Headers(message.headers())):
                continue
            record = decode(message.value())
            if isinstance(record, OutcomeRecord):
                place = f"{topic}/{message.partition()}/{message.offset()}"
                yield record.command_id, (record.status.lower(), place)


def _is_answer(ids: CommandIds, headers: Headers) -> bool:
    """Whether an outcome may be of a command of this process: the header names it, so that few have to be decoded."""
    try:
        cause = headers.causation_id
    except UndecodableError:
        return False
    return cause is None or ids.read(cause) is not None
