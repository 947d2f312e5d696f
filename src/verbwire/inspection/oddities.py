"""What is odd about a running system, and what to do: each finding stands for itself, the gravest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from verbwire.inspection.group_status import NO_OWNER, GroupStatus, WorkerStatus
from verbwire.inspection.lag import PartitionLag

_STUCK_SECONDS = 30.0
_SHOWN = 8


class Oddity(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be: about which group or worker, what, and what to do."""

    about: str
    what: str
    do: str
    stands_still: bool = False


def odd_things(groups: Iterable[GroupStatus], workers: Sequence[WorkerStatus], verified: bool) -> list[Oddity]:
    """Return what is odd, what stands still first."""
    groups = list(groups)
    found = [odd for group in groups for odd in _of_group(group)] + list(_without_owner(groups))
    found += [odd for worker in workers for odd in _of_worker(worker)]
    if workers and not verified:
        found.append(
            Oddity(
                about="workers",
                what="what workers say of themselves is not verified",
                do="set http_workers_key (VERBWIRE_HTTP_WORKERS_KEY) to what `verbwire workers-key` prints",
            )
        )
    return sorted(found, key=lambda each: (not each.stands_still, each.about))


def _of_group(group: GroupStatus) -> Iterator[Oddity]:
    yield from _stopped(group)
    if moving := [*group.states.get("restoring", ()), *group.states.get("suspended", ())]:
        yield Oddity(about=group.group, what=f"{partitions(moving)} being restored", do="wait: it ends by itself")
    if retrying := group.states.get("retrying"):
        yield Oddity(
            about=group.group,
            what=f"{partitions(retrying)} cannot open or write its local copy",
            do="look at the disk and the open files of its worker; it goes on by itself",
            stands_still=True,
        )
    if group.parked and group.parked.keys:
        yield Oddity(
            about=group.group,
            what=f"{group.parked.keys:,} keys are parked with {group.parked.records:,} records: the first of each "
            "cannot be handled, later ones wait behind it",
            do=f"`verbwire parked list {group.group}` says why; mend the handler, then `verbwire parked retry`",
        )
    if group.dead_letters:
        yield Oddity(
            about=group.group,
            what=f"{group.dead_letters:,} dead letters",
            do=f"`verbwire dead-letters list {group.group}`, then retry those that can be",
        )
    yield from (odd for lag in (group.lag.partitions if group.lag else ()) for odd in _of_place(group.group, lag))
    yield from _stuck(group)


def _without_owner(groups: Iterable[GroupStatus]) -> Iterator[Oddity]:
    """One finding for all groups that nobody hosts, since one worker may be all that is missing."""
    nobody = [each.group for each in groups if each.states.keys() == {NO_OWNER}]
    if nobody:
        yield Oddity(
            about=", ".join(nobody),
            what="no worker that lives hosts " + ("it" if len(nobody) == 1 else "them"),
            do=f"start one: `verbwire worker {' '.join(nobody)}`; wait where one is just starting",
            stands_still=True,
        )
    for group in groups:
        if group.group not in nobody and (lost := group.states.get(NO_OWNER)):
            yield Oddity(
                about=group.group,
                what=f"{partitions(lost)} without an owner",
                do="wait while workers join and leave; then see `verbwire workers`, and the log of those that have it",
                stands_still=True,
            )


def _stopped(group: GroupStatus) -> Iterator[Oddity]:
    """One finding a reason: mostly all partitions are stopped for the same."""
    reasons: dict[str, list[int]] = defaultdict(list)
    for partition, why in group.stopped.items():
        reasons[why].append(partition)
    for why, some in reasons.items():
        if not why and group.kind == "subscriber":  # no record is to blame, and none can be left out
            yield Oddity(
                about=group.group,
                what=f"{partitions(some)} stopped: no room to park more, or it does not park any more what it parks "
                "still; the log of its worker says which",
                do=f"`verbwire parked list {group.group}`, then retry or skip; it goes on by itself where there was no "
                "room",
                stands_still=True,
            )
            continue
        yield Oddity(
            about=group.group,
            what=f"{partitions(some)} stopped: {why or 'why is in the log of its worker'}",
            do="mend the handler or the record and restart the worker, or leave the record out (`verbwire parked skip "
            "GROUP --at PLACE`): the reason says which",
            stands_still=True,
        )


def _of_place(group: str, lag: PartitionLag) -> Iterator[Oddity]:
    place = f"{lag.topic}/{lag.partition}"
    if lag.committed is not None and lag.committed < lag.start:
        yield Oddity(
            about=group,
            what=f"{place}: committed is {lag.committed}, the log begins at {lag.start}: records went unread",
            do="the topic's retention has taken them: lengthen it, and say from where to go on",
            stands_still=True,
        )
    if lag.committed is not None and lag.committed > lag.log_end:
        yield Oddity(
            about=group,
            what=f"{place}: committed is {lag.committed}, the log ends at {lag.log_end}",
            do="the topic was made again or cut off: the worker's log says how to continue",
            stands_still=True,
        )


def _stuck(group: GroupStatus) -> Iterator[Oddity]:
    """Behind for long, with an owner, and nothing moves; told for partitions that are not stopped."""
    lag = group.lag
    if lag is None or lag.rate != 0:
        return
    stuck = [
        each
        for each in lag.partitions
        if each.records and (each.seconds or 0) > _STUCK_SECONDS and each.partition not in group.stopped
    ]
    owned = {partition for some in group.owners.values() for partition in some}
    if places := [each for each in stuck if each.partition in owned]:
        worst = max(places, key=lambda each: each.seconds or 0)
        yield Oddity(
            about=group.group,
            what=f"nothing moves in {partitions([each.partition for each in places])}; {worst.topic}/{worst.partition} "
            f"waits at {worst.committed} for {worst.seconds:.0f} s",
            do="a handler that hangs? The worker's log names it after ten seconds; `kill -USR1` prints its stacks",
            stands_still=True,
        )


def _of_worker(worker: WorkerStatus) -> Iterator[Oddity]:
    if worker.state == "silent":
        yield Oddity(
            about=worker.name,
            what=f"silent for {worker.heard_seconds_ago:.0f} s",
            do="it was killed or is cut off from Kafka: restart it; its entry goes when it comes back or is replaced",
        )
    elif worker.state.startswith("not believed"):
        yield Oddity(
            about=worker.name,
            what=worker.state,
            do="an entry that no worker of this project has signed: is its http_internal_secret the others'?",
        )


def partitions(numbers: Iterable[int]) -> str:
    """Name partitions: ``partition 3``, ``partitions 0, 1, 2``, the first few of many."""
    some = sorted(set(numbers))
    if len(some) == 1:
        return f"partition {some[0]}"
    named = ", ".join(map(str, some[:_SHOWN]))
    return f"partitions {named}" + (f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else "")
