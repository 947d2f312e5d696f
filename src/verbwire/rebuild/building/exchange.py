"""Has the workers exchange the states of an aggregate for those of a generation, partition by partition.

This process folds the events meanwhile: the generation has to come to the last one of a partition while its owner holds
it (`engine/exchange/exchanger.py` says how it is exchanged there). Nothing else is decided here: which partitions are
done stands in the aggregate's changelog. Killed at any step, the same command ends it; partitions that are not done
decide on the states of before until then.
"""

from __future__ import annotations

import time
from dataclasses import replace

from msgspec.structs import replace as changed

from verbwire.declarations.fold import AggregateFold
from verbwire.deploy.target import Target
from verbwire.deploy.topics import ClusterTopics
from verbwire.engine.restore.changelog_tails import last_facts
from verbwire.engine.transactions.failpoints import hit
from verbwire.errors import RebuildError
from verbwire.generations.writer import RebuildWriter
from verbwire.rebuild.building.shadow import ShadowOptions, run_shadow, workers_trust
from verbwire.rebuild.hosting_workers import HostingWorkers
from verbwire.rebuild.plan import RebuildPlan
from verbwire.rebuild.removal import remove
from verbwire.rebuild.switch import PAUSE_MS, Switched, SwitchOptions
from verbwire.wire.records.rebuilds import EXCHANGE_FACT, Generations, RebuildWord, RowExchange, read_exchange

_RENEW_SECONDS = 3.0
_PATIENCE = 60.0  # without a partition that is done
_LOOK_SECONDS = 0.2


def exchange(plan: RebuildPlan, number: int, options: SwitchOptions) -> Switched:
    """Have the workers take the states of a generation; what these replace is kept.

    RebuildError where that was not done in all partitions: the command may be given again.
    """
    workers_trust(plan.view.project.settings)
    wanted = _wanted(plan, plan.generations(), number)
    if not HostingWorkers(plan).hosting(0):
        raise RebuildError(f"no worker hosts {plan.group}: start one, they exchange the states themselves")
    assert isinstance(plan.declared, AggregateFold)  # noqa: S101 (only those are exchanged)
    folding = replace(plan, declared=replace(plan.declared, only_kept=not wanted.whole))
    under_way = _Exchange(folding, wanted, options)
    run_shadow(folding, number, ShadowOptions(), lambda _: None, under_way.run)
    if under_way.done is None:
        raise RebuildError(f"the states of {plan.group} are not exchanged: give the command again")
    remove(plan, number)
    return under_way.done


def _wanted(plan: RebuildPlan, now: Generations, number: int) -> RowExchange:
    if now.exchange is not None and now.exchange.rows == number:
        return now.exchange
    if now.exchange is None and number in (now.building, now.replaced):
        return RowExchange(rows=number, kept=now.last + 1, whole=number == now.building)
    raise RebuildError(f"{plan.group} has no generation {number} whose states could be taken")


class _Exchange:
    """One exchange, from the first word about it to the last."""

    def __init__(self, plan: RebuildPlan, wanted: RowExchange, options: SwitchOptions) -> None:
        self._plan, self._wanted, self._options = plan, wanted, options
        assert isinstance(plan.declared, AggregateFold)  # noqa: S101 (as above)
        self._commands = plan.view.names.commands(plan.declared.namespace)
        self._group = plan.view.offsets(plan.group_name(0))
        self._partitions = plan.partitions(0)
        self.done: Switched | None = None

    def run(self) -> None:
        """Do it, while the generation is kept up to date."""
        with self._plan.writer() as writer:
            begun = self._begin(writer)
            began = time.monotonic()
            try:
                self._until_done(writer, begun)
            except BaseException:
                writer.write(RebuildWord(generations=begun))  # nobody waits for it any more
                raise
            hit("rebuild-before-serve")
            kept = changed(begun, exchange=None, replaced=self._wanted.kept)
            writer.write(RebuildWord(generations=kept))
            hit("rebuild-served")
            workers = HostingWorkers(self._plan).hosting(0)
            self.done = Switched(self._wanted.rows, time.monotonic() - began, len(workers))

    def _begin(self, writer: RebuildWriter) -> Generations:
        """Tell the workers, and make the topic of what is replaced."""
        now = writer.now()
        if _wanted(self._plan, now, self._wanted.rows) != self._wanted:
            raise RebuildError(f"another command about {self._plan.group} was quicker: see what it did")
        last = max(now.last, self._wanted.kept)
        begun = changed(now, building=None, replaced=None, exchange=self._wanted, last=last)
        hit("rebuild-before-prepare")
        writer.write(RebuildWord(generations=begun))  # before its topics: nobody takes them for left over
        topics = self._plan.topics(self._wanted.kept, self._partitions)
        ClusterTopics(Target.of(self._plan.view.project.settings)).create(topics)
        hit("rebuild-prepared")
        return begun

    def _until_done(self, writer: RebuildWriter, begun: Generations) -> None:
        renew, deadline, before, told = 0.0, time.monotonic() + _PATIENCE, -1, 0.0
        while True:
            if time.monotonic() >= renew:
                stamp = writer.write(RebuildWord(generations=begun))
                writer.write(RebuildWord(generations=begun, paused_until_ms=stamp + PAUSE_MS))
                renew = time.monotonic() + _RENEW_SECONDS
                hit("rebuild-paused")
            left = self._left()
            if not left:
                return
            if len(left) != before:
                before, deadline, told = len(left), time.monotonic() + _PATIENCE, time.monotonic() + _RENEW_SECONDS
            where = f"partition {', '.join(map(str, left))} of {self._plan.group}"
            if time.monotonic() > deadline:
                raise RebuildError(
                    f"{where}: the states are not exchanged, and those of before decide there still. The log of the "
                    "worker that owns it says why, unless it is of a release that cannot; then give the command again"
                )
            if time.monotonic() > told:
                self._options.say(f"waiting for {where}")
                told = deadline
            time.sleep(_LOOK_SECONDS)

    def _left(self) -> list[int]:
        """Return the partitions in which something was decided, and which decide on the states of before."""
        places = [(self._commands, each) for each in range(self._partitions)]
        decided = [partition for (_, partition), each in self._group.committed(places).items() if each.offset]
        facts = last_facts(self._plan.view.kafka, self._plan.changelog(0))
        return [each for each in sorted(decided) if not self._is_done(facts.get(each, {}).get(EXCHANGE_FACT))]

    def _is_done(self, value: bytes | None) -> bool:
        fact = None if value is None else read_exchange(value)
        return fact is not None and fact.done and fact.exchange == self._wanted
