"""Has all workers answer from another generation at one moment, and lets go of the one that is not needed any more.

1. prepare: the workers that host the table host the other generation beside the one that serves, and catch up
2. pause: no worker begins an answer any more; each says so, once those under way are given, by no longer announcing
   what serves. From the ends of the inputs after that on nobody has seen anything newer.
3. serve: the other generation, once it has dealt with everything up to those ends; each worker answers from it when its
   own rows are as far

A pause lasts ten seconds at the most, by the broker's stamps: a word to serve that comes later is void, and workers
answer from what served before. So a command that is killed at any step leaves nothing that waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace as changed

from verbwire.engine.transactions.failpoints import hit
from verbwire.errors import RebuildError
from verbwire.generations.writer import RebuildWriter
from verbwire.kafka.offsets import TP
from verbwire.rebuild.hosting_workers import HostingWorkers
from verbwire.rebuild.plan import RebuildPlan
from verbwire.rebuild.progress import Reach
from verbwire.wire.records.rebuilds import Generations, RebuildWord

PAUSE_MS = 10_000
_MARGIN_SECONDS = 3.0  # before the end of the pause the word to serve has to be on its way
_ATTEMPTS = 3
_LOOK_SECONDS = 0.05
Say = Callable[[str], None]


@dataclass(frozen=True)
class SwitchOptions:
    """How long it waits for workers that take a generation on, in seconds; and whom it tells what it does."""

    prepare_seconds: float = 600.0
    say: Say = lambda _: None


@dataclass(frozen=True)
class Switched:
    """What it came to: which generation serves, for how long nobody was answered, and how many workers there were."""

    serving: int
    paused_seconds: float
    workers: int


def switch(plan: RebuildPlan, number: int, options: SwitchOptions = SwitchOptions()) -> Switched:
    """Have all workers answer from a generation; the one that has served is kept, and kept up to date.

    RebuildError where that was not done: what served serves on, and the command may be given again.
    """
    if plan.folds:
        raise RebuildError(
            f"`verbwire rebuild {plan.group} --switch`, or --rollback, exchanges its states: the events are folded by "
            "that command meanwhile"
        )
    with plan.writer() as writer:
        now = writer.now()
        if number == now.serving:
            raise RebuildError(f"generation {number} of {plan.group} serves already")
        if number not in now.standing:
            raise RebuildError(
                f"{plan.group} has no generation {number}: there are {', '.join(map(str, now.standing))}"
            )
        followed = now.followed if number in now.followed else (*now.followed, number)
        prepared = changed(now, followed=followed)
        switching = _Switching(plan, writer, prepared, number, options)
        hit("rebuild-before-prepare")
        switching.prepare()
        hit("rebuild-prepared")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return switching.attempt()
            except RebuildError as error:
                switching.revert()
                if attempt == _ATTEMPTS:
                    raise
                options.say(f"{error}: once more")
    raise AssertionError  # the last attempt returns or raises


class _Switching:
    """One switch of one table."""

    def __init__(
        self, plan: RebuildPlan, writer: RebuildWriter, prepared: Generations, number: int, options: SwitchOptions
    ) -> None:
        self._plan, self._writer, self._prepared, self._number = plan, writer, prepared, number
        self._options = options
        self._reach = Reach(plan, number)
        self._workers = HostingWorkers(plan)
        self._stamp = (0, 0.0)  # the broker's time, and ours when we learned it

    def prepare(self) -> None:
        """Have the workers host it, and wait until all of it is there and has caught up."""
        self._write(RebuildWord(generations=self._prepared))
        deadline = time.monotonic() + self._options.prepare_seconds
        told = ""
        while missing := self._workers.missing(self._prepared.serving, self._number):
            if missing != told:
                self._options.say(f"waiting: {missing}")
                told = missing
            if time.monotonic() > deadline:
                raise RebuildError(f"{missing}; generation {self._prepared.serving} of {self._plan.group} serves on")
            time.sleep(_LOOK_SECONDS)
        if not self._workers.hosting(self._prepared.serving):  # nobody catches up any more
            deadline = time.monotonic()
        self._reach.until(self._reach.ends(), deadline)

    def attempt(self) -> Switched:
        """Pause, wait for all that was seen to be there, serve."""
        began = time.monotonic()
        until = self._now_ms() + PAUSE_MS
        workers = self._workers.hosting(self._prepared.serving)
        self._write(RebuildWord(generations=self._prepared, paused_until_ms=until))
        deadline = began + PAUSE_MS / 1000 - _MARGIN_SECONDS
        hit("rebuild-paused")
        self._all_paused(deadline)
        ends = self._reach.ends()
        positions = self._reach.until(ends, deadline)
        if time.monotonic() > deadline:
            raise RebuildError(f"the workers of {self._plan.group} took too long to pause")
        hit("rebuild-before-serve")
        serves = changed(self._prepared, serving=self._number, building=None)
        stamp = self._write(
            RebuildWord(
                generations=serves,
                valid_until_ms=until,
                otherwise=self._prepared,
                positions=_by_topic(positions),
            )
        )
        if stamp > until:
            raise RebuildError("the word to serve came too late, it is void")
        hit("rebuild-served")
        return Switched(self._number, time.monotonic() - began, len(workers))

    def revert(self) -> None:
        """Let what served serve on; both generations are followed still."""
        self._write(RebuildWord(generations=self._prepared))

    def _all_paused(self, deadline: float) -> None:
        while hosting := self._workers.hosting(self._prepared.serving):
            if time.monotonic() > deadline:
                raise RebuildError(f"{', '.join(hosting)} did not pause in time")
            time.sleep(_LOOK_SECONDS)

    def _write(self, word: RebuildWord) -> int:
        stamp = self._writer.write(word)
        self._stamp = stamp, time.monotonic()
        return stamp

    def _now_ms(self) -> int:
        stamp, learned = self._stamp
        return stamp + int((time.monotonic() - learned) * 1000)


def _by_topic(positions: Mapping[TP, int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for (topic, _), offset in sorted(positions.items()):
        found.setdefault(topic, []).append(offset)
    return found
