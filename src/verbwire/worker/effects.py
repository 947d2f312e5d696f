"""A subscriber or a job as a worker hosts it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from verbwire.declarations.job import Job
from verbwire.declarations.subscriber import Subscriber
from verbwire.effects.group import EffectGroup
from verbwire.effects.handling import Handling
from verbwire.effects.outbox import Mail
from verbwire.effects.plan import EffectPlan, effect_plan
from verbwire.http.health import Standing
from verbwire.http.served import ServedTable
from verbwire.sdk.connection import Connection, Identity
from verbwire.watch.handlers import HandlerWatch
from verbwire.wire.workers import GroupShare
from verbwire.worker.groups import NO_REGISTRY, Services

_CLOSE_SECONDS = 1.0


@dataclass
class HostedEffects:
    """A group of side effects in this process."""

    plan: EffectPlan
    mail: Mail
    running: EffectGroup

    @property
    def group(self) -> str:
        """The group's name as declared, without prefix."""
        return self.plan.declared.group

    @property
    def name(self) -> str:
        """The group's name on the cluster."""
        return self.plan.group

    @property
    def tables(self) -> Sequence[ServedTable]:
        """None: it keeps nothing."""
        return ()

    def share(self) -> GroupShare:
        """Return the partitions whose records it handles."""
        owned = self.running.owned()
        return GroupShare(group=self.group, owned=owned, ready=owned)

    def connect(self) -> None:
        """See that its topics are there."""
        for topic in (*self.plan.topics, self.plan.dead_letters):
            self.mail.producer.require_topic(topic)

    async def start(self) -> None:
        """Join the group."""
        self.running.start()

    async def stop(self, leave: bool) -> None:
        """Finish what runs, within bounds; what is not done is left to whoever has its partition next."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, self.running.stop, leave)
        finally:
            await loop.run_in_executor(None, self.mail.close, _CLOSE_SECONDS)

    def live(self) -> str | None:
        """Return why only a new process can help, or None."""
        return self.running.live()

    def not_ready(self) -> list[str]:
        """Return what keeps this worker from doing its part for the group."""
        return self.running.not_ready() or ([NO_REGISTRY] if self.running.waits_for_registry() else [])

    def standing(self) -> Standing:
        """Return the partitions that it has: none of them ever stands still, and there is nothing to catch up."""
        return Standing(self.running.owned())


def host_effects(declared: Subscriber | Job, services: Services) -> HostedEffects:
    """Build the group on its topics; it sends under its own name and with the scopes that it declares."""
    settings, codec = services.settings, services.codec
    plan = effect_plan(declared, codec, services.grants)
    connection = Connection(
        bootstrap=services.bootstrap,
        registry=codec.registry.url,
        names=codec.names,
        catalog=codec.catalog,
        identity=Identity(declared.group, tuple(declared.scopes)),
        kafka={"log_level": "2", **services.kafka},  # what is not sent is tried again, and told
        registry_conf=settings.registry_client,
        grants=services.grants,
    )
    mail = Mail(connection, declared)
    metrics = services.metrics.group(plan.group)
    watch = services.watched(HandlerWatch(plan.group, patient=plan.is_job))
    handling = Handling(plan, mail, services.clock, services.jobs, metrics, watch)
    return HostedEffects(plan, mail, EffectGroup(handling, services.kafka, settings.worker))
