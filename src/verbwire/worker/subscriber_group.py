"""A subscriber or a job as a worker hosts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from verbwire.client.base.connection import Connection
from verbwire.declarations.job import Job
from verbwire.declarations.subscriber import Subscriber
from verbwire.engine.group import GroupEngine
from verbwire.engine.state.reader import StoreReader
from verbwire.errors import ContractError, EngineError, NotAuthorizedError
from verbwire.handling.admission import codes_of
from verbwire.http.operations.health import PartitionHealth
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.kafka.progress import InputProgress
from verbwire.observability.metrics.effects import EffectMetrics
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.principal import Principal
from verbwire.subscribers.attempt import RecordAttempt
from verbwire.subscribers.group import SubscriberGroup
from verbwire.subscribers.job_outcomes import job_outcomes
from verbwire.subscribers.outbox import EffectProducer
from verbwire.subscribers.outcome_writer import KafkaOutcomes
from verbwire.subscribers.parked_before import ParkedBefore
from verbwire.subscribers.parked_log import KafkaParkedLog
from verbwire.subscribers.parking import SubscriberParking
from verbwire.subscribers.plan import SubscriberPlan, subscriber_plan
from verbwire.wire.records.workers import GroupShare
from verbwire.worker.services import NO_REGISTRY, Services

_CLOSE_SECONDS = 1.0


@dataclass
class SubscriberGroupHost:
    """A group of side effects in this process."""

    plan: SubscriberPlan
    effect_producer: EffectProducer
    running: SubscriberGroup
    metrics: EffectMetrics
    outcomes: KafkaOutcomes | None = None  # of a job

    @property
    def group(self) -> str:
        """The group's name as declared, without prefix."""
        return self.plan.declared.group

    @property
    def name(self) -> str:
        """The group's name on the cluster."""
        return self.plan.group

    @property
    def tables(self) -> Sequence[QueryableTable]:
        """None: it keeps nothing."""
        return ()

    @property
    def readers(self) -> Sequence[StoreReader]:
        """None, likewise."""
        return ()

    @property
    def engines(self) -> Sequence[GroupEngine]:
        """None: its handlers run outside of transactions."""
        return ()

    def shares(self) -> Sequence[GroupShare]:
        """Return the partitions whose records it handles."""
        owned, stopped = self.running.owned(), self.running.stopped()
        ready = tuple(each for each in owned if each not in stopped)
        return [GroupShare(group=self.group, owned=owned, ready=ready, stopped=stopped)]

    def connect(self) -> None:
        """See that its topics are there."""
        require = self.effect_producer.producer.require_topic
        parked = [] if self.plan.parking is None else [self.plan.parked]
        found = {topic: require(topic) for topic in (*self.plan.topics, *parked, self.plan.dead_letters)}
        if parked and len({found[topic] for topic in (*self.plan.topics, *parked)}) > 1:
            raise ContractError(f"{self.group} parks, so all its topics need as many partitions: {found}")
        partitions = max(found[topic] for topic in self.plan.decoders)
        self.metrics.has_partitions(partitions)
        if self.outcomes is not None and (its := self.outcomes.connect()) != partitions:
            raise EngineError(
                f"{self.plan.outcomes} has {its} partitions, {partitions} are needed: run `verbwire deploy`"
            )

    async def start(self) -> None:
        """Join the group."""
        self.running.start()

    async def stop(self, leave: bool) -> None:
        """Finish running handlers, within bounds; the next owner of a partition does what is left."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self.running.stop, leave)
        finally:
            await loop.run_in_executor(None, self.effect_producer.close, _CLOSE_SECONDS)

    def progress(self) -> list[InputProgress]:
        """Return how far it is with each partition that it has."""
        return self.running.progress()

    def live(self) -> str | None:
        """Return why only a new process can help, or None."""
        return self.running.live()

    def not_ready(self) -> list[str]:
        """Return what keeps this worker from doing its part for the group."""
        return self.running.not_ready() or ([NO_REGISTRY] if self.running.waits_for_registry() else [])

    def partition_health(self) -> PartitionHealth:
        """Return the partitions that it has, and those that have no room to park more."""
        return PartitionHealth(self.running.owned(), self.running.stopped())


def _parked_before(plan: SubscriberPlan, connection: Connection, producer: EffectProducer) -> ParkedBefore | None:
    """Return what a subscriber may have parked that does not park: its log, where there is one still."""
    if plan.is_job or plan.parking is not None:
        return None
    written = KafkaParkedLog(connection, plan.group, plan.parked, producer.producer)
    try:
        return ParkedBefore(plan.group, written) if written.exists() else None
    except NotAuthorizedError:  # who may not see its log has written nothing to it
        return None


def host_effects(declared: Subscriber | Job, services: Services) -> SubscriberGroupHost:
    """Build the group on its topics; it sends under its own name and with the scopes that it declares."""
    settings, codec = services.settings, services.codec
    plan = subscriber_plan(declared, codec, services.grants)
    connection = services.connection(services.kafka, Principal(declared.group, declared.scopes))
    effect_producer = EffectProducer.of(connection, declared)
    metrics = services.metrics.effects(plan.group)
    if plan.is_job:
        metrics.receives({each.contract.name: codes_of(each.contract) for each in plan.handlings.values()})
    watch = services.watched(HandlerWatch(plan.group, patient=plan.is_job))
    written, outcomes = None, None
    if plan.is_job:
        written = KafkaOutcomes(services.kafka, codec.names, plan.group, settings.worker, plan.outcomes)
        outcomes = job_outcomes(plan, codec, written, written.limits, services.notifier, services.clock, metrics)
    parking = None
    if plan.parking is not None:
        parked = KafkaParkedLog(connection, plan.group, plan.parked, effect_producer.producer)
        parking = SubscriberParking(plan, plan.parking, codec, parked)
        metrics.parks(parking.counts)
    handling = RecordAttempt(
        *(plan, effect_producer, services.jobs, metrics, watch, services.loop, outcomes, parking),
        parked_before=_parked_before(plan, connection, effect_producer),
    )
    running = SubscriberGroup(handling, services.kafka, settings.worker)
    return SubscriberGroupHost(plan, effect_producer, running, metrics, written)
