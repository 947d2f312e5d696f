"""What a rebuild is of: a declared table or aggregate, the names of each of its generations, and their topics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from msgspec.structs import replace as changed

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.fold import AggregateFold, require_foldable
from verbwire.declarations.process import Process
from verbwire.declarations.table import Table
from verbwire.deploy.group_plan import GroupPlan, Topic, group_topics
from verbwire.deploy.target import Target
from verbwire.deploy.topics import ClusterTopics
from verbwire.engine.transactions.failpoints import hit
from verbwire.errors import RebuildError
from verbwire.generations.topic import generations_of, read_words
from verbwire.generations.writer import RebuildWriter
from verbwire.inspection.reading.cluster_view import ClusterView
from verbwire.inspection.tables import resolve
from verbwire.names import Names
from verbwire.project import Project
from verbwire.wire.records.rebuilds import Generations, RebuildWord
from verbwire.wire.topics import REBUILDS


@dataclass(frozen=True)
class RebuildPlan:
    """One table or aggregate of a project on its cluster, as any of its generations."""

    view: ClusterView
    declared: Table[Any] | AggregateFold
    plan: GroupPlan

    @classmethod
    def of(cls, view: ClusterView, name: str) -> RebuildPlan:
        """Return that of a table or aggregate, by its name as declared or a short one.

        RebuildError for what cannot be rebuilt.
        """
        declared = view.project.declared[resolve(view, name)]
        match declared:
            case Table():
                return cls(view, declared, GroupPlan.of(declared, view.project.catalog))
            case Aggregate():
                require_foldable(declared, view.project.catalog)
                _require_alone(declared, view.project)
                return cls(view, AggregateFold(declared), GroupPlan.folding(declared))
            case Process():
                raise RebuildError(
                    f"{declared.group} is a process: to fold its events again is to send its commands again, and their "
                    "receivers know their ids for seven days only. Its state stays as it is; begin a new process "
                    "under another name for what begins from now on"
                )
        raise RebuildError(f"{name} keeps no rows")

    @property
    def folds(self) -> bool:
        """Whether it is of an aggregate: its states are folded anew, and exchanged in their place."""
        return isinstance(self.declared, AggregateFold)

    @property
    def group(self) -> str:
        """The group's name as declared."""
        return self.declared.group

    def names(self, number: int) -> Names:
        """The names of a generation."""
        return self.view.names.of_generation(self.group, number)

    def view_of(self, number: int) -> ClusterView:
        """The cluster, but that names mean this generation."""
        settings = replace(self.view.project.settings, generations=self.names(number).generations)
        return self.view.of(replace(self.view.project, settings=settings))

    def group_name(self, number: int) -> str:
        """The consumer group of a generation, on the cluster."""
        return self.names(number).group(self.group)

    def changelog(self, number: int) -> str:
        """Its changelog."""
        names = self.names(number)
        return names.changelog(names.group(self.group), self.declared.table)

    def partitions(self, number: int) -> int:
        """How many partitions it has, as its changelog on the cluster has."""
        changelog = self.changelog(number)
        return self.view.offsets("").topics([changelog])[changelog].partitions

    def repartition(self, number: int) -> str | None:
        """The topic by which it hands records to itself, where it counts under other keys."""
        names = self.names(number)
        return names.repartition(names.group(self.group), self.declared.table) if self.plan.rekeys else None

    @property
    def sources(self) -> list[str]:
        """The topics that others write; the same for all generations."""
        return self.plan.inputs(self.view.names)

    def topics(self, number: int, partitions: int = 1) -> list[Topic]:
        """The topics that are a generation's own."""
        return list(group_topics(self.names(number), self.plan, partitions))

    def generations(self) -> Generations:
        """What is in force now."""
        return generations_of(read_words(self.view.kafka, self.view.names.rebuilds()), self.group)

    def writer(self) -> RebuildWriter:
        """What decides about them; the topic is made where it is not there."""
        settings = self.view.project.settings
        ClusterTopics(Target.of(settings)).create([Topic(self.view.names.rebuilds(), 1, REBUILDS)])
        return RebuildWriter(self.view.kafka, self.view.names, self.group)


def _require_alone(aggregate: Aggregate[Any], project: Project) -> None:
    plans = [GroupPlan.of(each, project.catalog) for each in project.declared.values()]
    publishes = [each for each in plans if aggregate.namespace in each.publishes and each.group != aggregate.group]
    if publishes:
        raise RebuildError(
            f"{aggregate.group} cannot be folded anew from its events: {publishes[0].group} publishes events of "
            f"{aggregate.namespace}, too, of which its state knows nothing. Mend a wrong state by a command"
        )


def begin(plan: RebuildPlan, partial: bool = False) -> int:
    """Return the number of the generation that is being built; begin one where there is none.

    RebuildError where one is kept still from the last time, or where the events of before are gone; with `partial` what
    is left of them will do, of a table.
    """
    generations = plan.generations()
    if generations.building is None:
        _require_from_the_first(plan, partial)
        with plan.writer() as writer:
            generations = _begin(plan, writer)
        hit("rebuild-begun")
    number = generations.building
    assert number is not None  # noqa: S101 (begun just now)
    topics = plan.topics(number, plan.partitions(generations.serving))
    ClusterTopics(Target.of(plan.view.project.settings)).create(topics)
    return number


def _begin(plan: RebuildPlan, writer: RebuildWriter) -> Generations:
    now = writer.now()
    if now.building is not None:  # by another one, just now
        return now
    if now.exchange is not None:
        raise RebuildError(f"a switch of {plan.group} is under way: `verbwire rebuild {plan.group} --switch` ends it")
    if now.kept is not None:
        raise RebuildError(
            f"{plan.group} keeps generation {now.kept} from its last rebuild: let it go first "
            f"(`verbwire rebuild {plan.group} --forget`), or go back to it (--rollback)"
        )
    number = now.last + 1
    begun = changed(now, building=number, last=number)
    writer.write(RebuildWord(generations=begun))  # before its topics: nobody takes them for left over
    return begun


def _require_from_the_first(plan: RebuildPlan, partial: bool) -> None:
    offsets = plan.view.offsets("")
    there = offsets.topics(plan.sources)
    firsts = offsets.starts((topic, each) for topic in plan.sources for each in range(there[topic].partitions))
    gone = {topic: first for (topic, _), first in firsts.items() if first}
    if gone and plan.folds:
        raise RebuildError(
            f"{', '.join(sorted(gone))} no longer holds its first records: states that came of them would be missing. "
            f"Restore the topic, or mend what is wrong in {plan.group} by a command"
        )
    if gone and not partial:
        raise RebuildError(
            f"{', '.join(sorted(gone))} no longer holds its first records: rows that came of them would be missing. "
            "Restore the topic, or rebuild what is left of it (--partial)"
        )
