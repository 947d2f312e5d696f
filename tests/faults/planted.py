"""Bugs to plant in the engine, so that the proof of its exactness can be seen to fail.

``python -m tests.faults.planted NAME[,NAME] -v worker ...`` runs verbwire's command line with them; tests plant them
in their own process. Each is a mistake that was really made, or is easily made: the engine itself has no switch for it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

from verbwire.engine import group
from verbwire.engine.group import BatchLimits, GroupEngine
from verbwire.engine.transactions.committer import Committer
from verbwire.engine.transactions.group_metadata import encode
from verbwire.engine.transactions.local_writes import LocalWrites
from verbwire.engine.transactions.transaction import Transaction

Patch = Callable[[Any, str, Any], None]
HOLD = "VERBWIRE_TEST_HOLD"


class LateMembership:
    """Who we are at the moment of the commit, instead of who we were when the records were read."""

    def __init__(self, group: str, instance: str | None, now: Callable[[], tuple[int, str]]) -> None:
        self._group = group
        self._instance = instance
        self._now = now

    def proof(self) -> bytes:
        """Ask now."""
        return encode(self._group, *self._now(), self._instance)


def _nothing(*_: Any) -> None:
    pass


def late_metadata(patch: Patch) -> None:
    """The group's metadata is read from the coordinator at commit time."""
    from verbwire.engine.faust import consumer
    from verbwire.engine.faust.assignment import PartitionAssignment

    def capture(self: Any, generation: int, member: str) -> None:
        coordinator = self._thread._ensure_consumer()._coordinator
        conf = self.app.conf
        late = LateMembership(
            conf.id, conf.consumer_group_instance_id, lambda: (coordinator.generation, coordinator.member_id)
        )
        self._next = PartitionAssignment(late)  # type: ignore[arg-type]  # what it stands in for is final

    patch(consumer.Consumer, "capture", capture)


def no_offsets(patch: Patch) -> None:
    """The input offsets are left out of the transaction."""
    patch(Committer, "_send_offsets", _nothing)


def early_local_write(patch: Patch) -> None:
    """The local copy is written before the commit."""
    send = Committer._send_offsets

    def write_and_send(self: Committer, transaction: Transaction) -> None:
        for partition, changes in transaction.changes.items():
            transaction.caches[partition].store.apply(changes)
        send(self, transaction)

    patch(Committer, "_send_offsets", write_and_send)


def read_uncommitted(patch: Patch) -> None:
    """Inputs are read before their transactions are committed, and when they are aborted."""
    from verbwire.engine.faust import consumer_thread

    create = consumer_thread.ConsumerThread._create_worker_consumer

    def uncommitted(self: Any, transport: Any) -> Any:
        consumer = create(self, transport)
        consumer._isolation_level = "read_uncommitted"
        return consumer

    patch(consumer_thread.ConsumerThread, "_create_worker_consumer", uncommitted)


def early_second(patch: Patch) -> None:
    """Each of the two producers has a committing thread of its own: the second does not wait for the first.

    They write the local copy one at a time: that two threads would share SQLite's connection is no part of this bug.
    """
    threads: dict[tuple[int, int], ThreadPoolExecutor] = {}
    take, write, one_at_a_time = LocalWrites.take, LocalWrites.write, threading.RLock()

    def take_alone(self: LocalWrites, transaction: Transaction, seconds: float) -> None:
        with one_at_a_time:
            take(self, transaction, seconds)

    def write_alone(self: LocalWrites) -> None:
        with one_at_a_time:
            write(self)

    def submit(self: Committer, transaction: Transaction) -> None:
        self.flushed = transaction.flushed
        thread = threads.setdefault((id(self), transaction.slot), ThreadPoolExecutor(1))
        self._under_way[transaction.slot] = thread.submit(self._run, transaction)

    patch(Committer, "submit", submit)
    patch(LocalWrites, "take", take_alone)
    patch(LocalWrites, "write", write_alone)


def overtaking(patch: Patch) -> None:
    """The second producer's records do not wait for the first's."""
    init = Transaction.__init__

    def create(self: Transaction, *args: Any) -> None:
        init(self, *args)
        self._before = threading.Event()
        self._before.set()

    patch(Transaction, "__init__", create)


def hold(patch: Patch) -> None:
    """No bug, a place to stop: batches wait before their first record while the file that HOLD names is there."""
    process, flag = GroupEngine._process_partition, Path(os.environ.get(HOLD, "/nobody"))

    def wait_and_process(self: GroupEngine, *args: Any) -> int:
        while flag.exists():
            flag.with_name(flag.name + ".reached").touch()
            time.sleep(0.01)
        return process(self, *args)

    patch(GroupEngine, "_process_partition", wait_and_process)
    patch(group, "BATCH", BatchLimits(seconds=60.0))  # the wait must not cut the transaction short


def fires_twice(patch: Patch) -> None:
    """What is due is fired twice, as by a transaction that is repeated without a fence."""
    from verbwire.engine.processors.scheduler import SchedulerProcessor

    fired = SchedulerProcessor._fired

    def fire_twice(self: SchedulerProcessor, *what: Any) -> Any:
        fired(self, *what)
        return fired(self, *what)

    patch(SchedulerProcessor, "_fired", fire_twice)


def firing_ids(patch: Patch) -> None:
    """The id of a firing is a new one each time, not made of the due time."""
    from verbwire.engine.processors import schedule_firing

    numbers = count()
    patch(schedule_firing, "id_of_firing", lambda name, _: f"{name}@{next(numbers)}")


def heard_late(patch: Patch) -> None:
    """An outcome that was handed over is heard once more when it comes by itself."""
    from verbwire.engine.processors import process

    patch(process, "_is_heard", lambda *_: False)


def heard_again(patch: Patch) -> None:
    """An outcome that is handed over twice is heard twice: the instance goes on waiting for it."""
    from verbwire.wire.records.process_instances import InstanceRecord

    patch(InstanceRecord, "answered", lambda self, _: self)


BUGS: dict[str, Callable[[Patch], None]] = {
    "late-metadata": late_metadata,
    "no-offsets": no_offsets,
    "early-local-write": early_local_write,
    "read-uncommitted": read_uncommitted,
    "early-second": early_second,
    "overtaking": overtaking,
    "fires-twice": fires_twice,
    "firing-ids": firing_ids,
    "heard-late": heard_late,
    "heard-again": heard_again,
    "hold": hold,
}


def main() -> None:
    """Plant what the first argument names, then run the command line with the others."""
    names = sys.argv.pop(1)
    for name in names.split(","):
        BUGS[name](setattr)
    from verbwire.cli import main as verbwire

    verbwire()


if __name__ == "__main__":
    main()
