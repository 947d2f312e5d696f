"""Which tables have generations: what serves, what is kept, what is being built, by how many, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import msgspec

from verbwire.errors import RebuildError
from verbwire.generations.topic import DatedWord, read_dated
from verbwire.inspection.lag import broker_time
from verbwire.inspection.reading.cluster_view import ClusterView, in_order
from verbwire.rebuild.plan import RebuildPlan
from verbwire.rebuild.progress import ProgressSampler, RebuildProgress
from verbwire.rebuild.removal import left_over, members


class RebuildState(msgspec.Struct, frozen=True, kw_only=True):
    """The generations of one table, or `aggregate`, by number, and when the last step was taken.

    `kept` has served before and is `followed` still, or holds what an aggregate's states were before; `building` is
    being built: by so many `builders`, processes of ``verbwire rebuild`` (None: the workers follow it by now, or the
    cluster does not tell), as far as `progress` says.
    `exchanging`: the generation whose states an aggregate's partitions are taking, one after another.
    `switching`: answers wait for a switch at the moment. `unfinished`: one was begun, and nobody goes on with it.
    `left_over` are generations that nobody needs, whose topics are there.
    """

    table: str
    aggregate: bool = False
    serving: int
    followed: tuple[int, ...]
    since_ms: int
    seconds: float
    kept: int | None = None
    building: int | None = None
    builders: int | None = None
    progress: RebuildProgress | None = None
    exchanging: int | None = None
    switching: bool = False
    unfinished: bool = False
    left_over: tuple[int, ...] = ()


class RebuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """All tables that were ever rebuilt, by name; `unknown` is what the cluster did not say, and why."""

    at_ms: int
    tables: tuple[RebuildState, ...]
    unknown: dict[str, str]


def rebuilds(
    view: ClusterView, sample_seconds: float = 1.0, pause: Callable[[float], None] = time.sleep
) -> RebuildReport:
    """Ask for all of them; takes `sample_seconds` more where one is being built, to tell its rate.

    :class:`~verbwire.errors.UnavailableError` where Kafka does not tell of any.
    """
    view.unknown.clear()
    words = read_dated(view.kafka, view.names.rebuilds())
    plans = {group: plan for group in words if (plan := _plan(view, group)) is not None}
    now_ms, _ = broker_time(view)
    samplers = {
        group: ProgressSampler(plan, number)
        for group, plan in plans.items()
        if (number := words[group].word.generations.building) is not None
    }
    progress = {group: _sampled(view, group, each) for group, each in samplers.items()}
    if any(progress.values()):
        pause(sample_seconds)
        progress = {group: _sampled(view, group, each) for group, each in samplers.items()}
    found = [_state(view, group, word, plans.get(group), progress.get(group), now_ms) for group, word in words.items()]
    tables = tuple(sorted(found, key=lambda each: each.table))
    return RebuildReport(at_ms=now_ms, tables=tables, unknown=in_order(view.unknown))


def _plan(view: ClusterView, group: str) -> RebuildPlan | None:
    """None: of another folder's project, or declared no more."""
    try:
        return RebuildPlan.of(view, group) if group in view.project.declared else None
    except RebuildError:
        return None


def _sampled(view: ClusterView, group: str, sampler: ProgressSampler) -> RebuildProgress | None:
    return view.unless_unknown(f"how far the rebuild of {group} is", sampler.sample)


def _state(
    view: ClusterView,
    group: str,
    dated: DatedWord,
    plan: RebuildPlan | None,
    progress: RebuildProgress | None,
    now_ms: int,
) -> RebuildState:
    now, until = dated.word.generations, dated.word.paused_until_ms
    builders, left = None, None
    if plan is not None:
        left = view.unless_unknown(f"topics of {group}", partial(left_over, plan))
        if now.building is not None and now.building not in now.followed:
            builders = view.unless_unknown(f"who builds {group}", partial(members, plan, now.building))
    return RebuildState(
        table=group,
        aggregate=plan is not None and plan.folds,
        serving=now.serving,
        followed=now.followed,
        since_ms=dated.at_ms,
        seconds=max(0.0, (now_ms - dated.at_ms) / 1000),
        kept=now.kept,
        building=now.building,
        builders=builders,
        progress=progress,
        exchanging=None if now.exchange is None else now.exchange.rows,
        switching=until > now_ms,
        unfinished=_is_unfinished(dated, now_ms),
        left_over=tuple(left or ()),
    )


def _is_unfinished(dated: DatedWord, now_ms: int) -> bool:
    """A word of a pause that is over, or workers that follow what is being built: a switch has begun, and not ended.

    While the workers catch up with it, it looks the same: the command that waits for them is told by nobody.
    """
    now, until = dated.word.generations, dated.word.paused_until_ms
    begun = until > 0 or now.exchange is not None or now.building in now.followed
    return begun and until <= now_ms
