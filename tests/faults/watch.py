"""Watching who commits what, to see how long a partition stood still after its worker was killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException

from tests.faults.harness import AGGREGATE, INPUTS, TABLE, Shop

EVERY = 0.03  # seconds: how exact a measured time can be


@dataclass(frozen=True, slots=True)
class Progress:
    """A group's offset in one partition has moved."""

    when: float
    group: str
    partition: int
    offset: int
    worker: str


class Watch:
    """Takes down every move of the committed offsets, from a thread of its own."""

    def __init__(self, shop: Shop) -> None:
        self.moves: list[Progress] = []
        self._shop = shop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def standstills(self, when: float, worker: str) -> dict[str, float]:
        """Return for each partition that `worker` had at `when` how long it took until somebody committed there.

        What the broker still finished of the killed worker's last transaction does not count: a new one has to come,
        and no worker starts in less than half a second.
        """
        found: dict[str, float] = {}
        for group in (AGGREGATE, TABLE):
            for partition in range(self._shop.partitions):
                moves = [each for each in self.moves if (each.group, each.partition) == (group, partition)]
                before = [each for each in moves if each.when <= when]
                after = [each.when for each in moves if each.when > when + 0.5]
                if before and before[-1].worker == worker and after:
                    found[f"{group}/{partition}"] = round(after[0] - when, 2)
        return found

    def _run(self) -> None:
        last: dict[tuple[str, int], int] = {}
        while not self._over.wait(EVERY):
            for group in INPUTS:
                try:
                    committed = self._shop.topics.committed(
                        f"{self._shop.prefix}.{group}", f"{self._shop.prefix}.{INPUTS[group]}", stable=False
                    )
                except KafkaException:
                    continue
                now = time.time()
                for partition, (offset, worker) in committed.items():
                    if last.get((group, partition)) != offset:
                        last[group, partition] = offset
                        self.moves.append(Progress(now, group, partition, offset, worker))


def median_and_most(times: Iterable[float]) -> tuple[float, float]:
    """Return the middle one and the longest."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[-1]
