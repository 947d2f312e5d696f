"""How a running system is: workers, groups by the state of their partitions, lag, dead letters, and what is odd.

Who owns what is in the directory, lag at the broker, why a partition is stopped at the workers. Whatever of these
cannot be asked is `unknown`, with its reason; the rest is told all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.dead_letters.requeue import DeadLetters
from verbwire.inspection.group_status import NO_OWNER, GroupStatus, WorkerStatus
from verbwire.inspection.lag import ConsumerGroupLag, LagReport, LagSampler
from verbwire.inspection.living_workers import ago, heard_now, state_of
from verbwire.inspection.oddities import Oddity, odd_things
from verbwire.inspection.reading.cluster_view import ClusterView, in_order
from verbwire.inspection.topology import kind_of
from verbwire.inspection.worker_http import OperatorHttp

_OWNED = "owned"  # a subscriber's or a job's: those have no states


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, the worst first. `well`: nothing stands still, and nothing that tells that is unknown."""

    at_ms: int
    well: bool
    oddities: tuple[Oddity, ...]
    groups: tuple[GroupStatus, ...]
    workers: tuple[WorkerStatus, ...]
    clock: str
    unknown: dict[str, str]


def status(view: ClusterView, sample_seconds: float = 1.0, pause: Callable[[float], None] = time.sleep) -> StatusReport:
    """Ask everybody. Takes `sample_seconds` more where something is behind, to tell whether it moves."""
    view.unknown.clear()
    lags = view.unless_unknown("lag", lambda: _lags(view, sample_seconds, pause))
    lag_unknown = dict(lags.unknown) if lags else {}
    workers = view.unless_unknown("the directory of workers", lambda: _workers(view)) or ()
    living = {each.name for each in workers if each.state == "there"}
    tables = view.unless_unknown("why partitions are stopped", lambda: _tables(view)) or {}
    letters = view.unless_unknown("dead letters", lambda: _dead_letters(view))
    by_group = {each.group: each for each in lags.groups} if lags else {}
    groups = []
    for group in view.project.groups:
        shares = view.unless_unknown("the directory of workers", partial(_owned, view, group, living))
        groups.append(_group(view, group, by_group.get(group), tables.get(group, {}), letters, shares))
    unknown = in_order({**lag_unknown, **view.unknown})
    oddities = tuple(odd_things(groups, workers, view.verified))
    return StatusReport(
        at_ms=lags.at_ms if lags else int(time.time() * 1000),
        well=not any(each.stands_still for each in oddities) and not unknown,
        oddities=oddities,
        groups=tuple(sorted(groups, key=_worst_first)),
        workers=workers,
        clock=lags.clock if lags else "this machine's",
        unknown=unknown,
    )


def _lags(view: ClusterView, seconds: float, pause: Callable[[float], None]) -> LagReport:
    sampler = LagSampler(view)
    found = sampler.sample()
    if any(each.records for each in found.groups):
        pause(seconds)
        found = sampler.sample()
    return found


def _tables(view: ClusterView) -> dict[str, dict[str, Any]]:
    with closing(OperatorHttp(view)) as http:
        return {each["name"]: each for each in http.ask("/tables")["tables"]}


def _workers(view: ClusterView) -> tuple[WorkerStatus, ...]:
    directory, now = view.directory, heard_now(view.directory)
    found = []
    for seen in directory.seen():
        shares = seen.worker.groups
        found.append(
            WorkerStatus(
                name=seen.worker.name,
                url=seen.worker.url,
                state=state_of(seen, now),
                heard_seconds_ago=ago(seen, now),
                groups=len(shares),
                owned=sum(len(each.owned) for each in shares),
                stopped=sum(len(each.stopped) for each in shares),
            )
        )
    for each in directory.doubted():
        state = f"not believed: {each.why}"
        found.append(WorkerStatus(name=each.name, url=each.url, state=state, heard_seconds_ago=ago(each, now)))
    return tuple(found)


def _dead_letters(view: ClusterView) -> dict[str, int]:
    """How many each group has that were not requeued; a topic that is empty is not read."""
    names = view.names
    topics = {names.dead_letters(names.group(group)): group for group in view.project.groups}
    cluster = view.offsets("")
    there = cluster.topic_identities(sorted(topics))
    places = [(topic, partition) for topic, found in there.items() for partition in range(found.partitions)]
    starts, ends = cluster.starts(places), cluster.stable_ends(places)
    holding = {topics[topic] for topic, partition in places if ends[topic, partition] > starts[topic, partition]}
    with closing(DeadLetters(Connection.of_project(view.project.settings))) as letters:
        return {group: letters.page(group, 1).total if group in holding else 0 for group in topics.values()}


@dataclass(frozen=True)
class _Shares:
    """Who has which partitions of a group, and which of them stand still, as far as the directory tells."""

    owners: dict[str, list[int]]
    stopped: set[int]


def _owned(view: ClusterView, group: str, living: Collection[str]) -> _Shares:
    """Ask the directory; where two workers claim a partition, the one with the newer generation has it."""
    every = [each.worker for each in view.directory.seen() if each.worker.name in living]
    called = view.names.generation(group)
    shares = [(worker.name, share) for worker in every for share in worker.groups if share.group == called]
    shares.sort(key=lambda each: -each[1].generation)
    taken: set[int] = set()
    found = _Shares({}, set())
    for name, share in shares:
        mine = [partition for partition in sorted(share.owned) if partition not in taken]
        found.stopped.update(set(share.stopped).intersection(mine))
        taken.update(mine)
        if mine:
            found.owners[name] = mine
    return found


def _group(
    view: ClusterView,
    group: str,
    lag: ConsumerGroupLag | None,
    table: Mapping[str, Any],
    letters: Mapping[str, int] | None,
    shares: _Shares | None,
) -> GroupStatus:
    numbers = {each.partition for each in lag.partitions} if lag else set()
    why = {int(partition): str(text) for partition, text in table.get("stopped", {}).items()}
    stopped = why.keys() | (shares.stopped if shares else set())
    return GroupStatus(
        group=group,
        kind=kind_of(view.project.declared[group]),
        partitions=len(numbers) or None,
        states={} if shares is None else _states(numbers, shares, table.get("states", {})),
        owners=shares.owners if shares else {},
        stopped={partition: why.get(partition, "") for partition in sorted(stopped)},
        lag=lag,
        dead_letters=None if letters is None else letters.get(group),
        parked=lag.parked if lag else None,
    )


def _states(numbers: set[int], shares: _Shares, told: Mapping[str, str]) -> dict[str, list[int]]:
    """Partitions by what their owners say of them; without an owner they have no state."""
    owned = {partition for some in shares.owners.values() for partition in some}
    found: dict[str, list[int]] = {}
    for partition in sorted(numbers | owned):
        unless_told = "stopped" if partition in shares.stopped else _OWNED
        state = told.get(str(partition), unless_told) if partition in owned else NO_OWNER
        found.setdefault(state, []).append(partition)
    return found


def _worst_first(each: GroupStatus) -> tuple[bool, bool, float, int, str]:
    lag = each.lag
    behind, records = (lag.seconds or 0.0, lag.records or 0) if lag else (0.0, 0)
    return not each.stands, not each.dead_letters, -behind, -records, each.group
