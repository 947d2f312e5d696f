"""Runs the generation that is being built in this process, beside the workers: an engine without HTTP.

Any number of such processes share its partitions. Killed, another goes on where its last transaction ended. It ends by
itself once it has dealt with everything, unless it is to follow; and when the workers take the generation over, or it
is discarded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

from verbwire.client.base.connection import Connection
from verbwire.client.base.grant_rule import grants_of
from verbwire.discovery.directory import Directory
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.restore.changelog_tails import last_facts
from verbwire.engine.state.memory import MEMORY
from verbwire.engine.transactions.group_metadata import verify_form
from verbwire.errors import ConfigurationError, EngineError, RebuildError
from verbwire.kafka.addresses import addresses
from verbwire.kafka.offsets import TP
from verbwire.observability.descriptors import raise_limit
from verbwire.observability.metrics.registry import Metrics
from verbwire.rebuild.plan import RebuildPlan
from verbwire.rebuild.progress import ProgressSampler, RebuildProgress
from verbwire.settings import EMBEDDED, Settings
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.changelog import INPUTS_HEADER, read_inputs
from verbwire.wire.registry.client import Registry
from verbwire.worker.announce import Announcement
from verbwire.worker.engine_group import EngineGroup, host
from verbwire.worker.faust_import import import_faust
from verbwire.worker.services import Services
from verbwire.worker.shadowing import Shadowing
from verbwire.worker.shutdown import Shutdown
from verbwire.worker.trust import Trust
from verbwire.worker.worker_names import named

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
Tell = Callable[[RebuildProgress], None]


@dataclass(frozen=True)
class ShadowOptions:
    """How it runs: at most so many records a second in this process, and whether it goes on once it is complete."""

    rate: int | None = None
    follow: bool = False


def run_shadow(plan: RebuildPlan, number: int, options: ShadowOptions, tell: Tell, compare: Callable[[], None]) -> bool:
    """Build until it is complete, then `compare` while it is kept up to date; return whether it came to that.

    A signal may end it before.
    RebuildError where it cannot become complete, or where it is not to be built any more.
    """
    stopping = Shutdown()
    verify_form()
    raise_limit()
    base = plan.view.project.settings
    with named(replace(base, worker=f"{base.worker.removesuffix('*')}.rebuild-*")) as settings, ExitStack() as opened:
        opened.callback(stopping.done)
        trust = workers_trust(settings)
        bootstrap, registry = addresses(settings)
        kafka = plan.view.kafka
        codec = Codec(plan.view.project.catalog, Registry(registry, settings.registry_client), plan.names(number))
        notifier = ReplyNotifier(kafka, settings.names.replies())
        opened.callback(notifier.close)
        MEMORY.share(settings.cache_bytes, 1)
        directory = Directory(kafka, codec, trust.verify)
        grants = grants_of(settings, Connection.delivery_seconds)
        services = Services(settings, bootstrap, kafka, codec, Metrics(), notifier, directory, grants)
        opened.callback(services.watchdog.close)
        hosted = host(plan.declared, services, Shadowing(options.rate))
        opened.callback(hosted.alone.close)
        announcement = Announcement(services, [hosted], directory, trust)
        opened.callback(announcement.close)
        announcement.start("")  # without an address: others see that it lives, and ask it nothing
        look = _Look(plan, number, options, hosted, tell, compare)
        return asyncio.run(_build(hosted, look, stopping))


def workers_trust(settings: Settings) -> Trust:
    """Return what this process announces itself with; ConfigurationError where it lacks the workers' secret.

    It is a member like any worker: who is not announced is taken for dead, and its transactions may be aborted.
    """
    if settings.bootstrap != EMBEDDED and not (
        settings.http_internal_secret or settings.http_secret or settings.http_jwks_url
    ):
        raise ConfigurationError(
            "`verbwire rebuild` works beside the workers, and announces itself to them, signed with the secret by "
            "which they know each other: set http_internal_secret (VERBWIRE_HTTP_INTERNAL_SECRET) or http_secret "
            "(VERBWIRE_HTTP_SECRET) as theirs is. It serves no HTTP itself"
        )
    return Trust.of(settings)


class _Look:
    """Looks at how far it is; tells whether it is over."""

    def __init__(
        self,
        plan: RebuildPlan,
        number: int,
        options: ShadowOptions,
        hosted: EngineGroup,
        tell: Tell,
        compare: Callable[[], None],
    ) -> None:
        self._plan, self._number, self._options, self._hosted, self._tell = plan, number, options, hosted, tell
        self._compare = compare
        self._sampler = ProgressSampler(plan, number, self._begins)
        self.complete = False

    def _begins(self) -> dict[TP, int]:
        """Return of which position what an exchange has replaced is: its changelog says so."""
        facts = last_facts(self._plan.view.kafka, self._plan.changelog(self._number))
        return {
            (topic, partition): offset
            for partition, its in facts.items()
            for topic, offset in read_inputs(its.get(INPUTS_HEADER, b"")).items()
        }

    def is_over(self) -> bool:
        for partition, why in self._hosted.engine.stopped().items():
            raise RebuildError(f"partition {partition} cannot be built: {why}")
        generations = self._plan.generations()
        if self._number not in generations.standing:
            raise RebuildError(f"generation {self._number} of {self._plan.group} is not built any more")
        if self._number in generations.followed:
            log.info("%s: the workers have taken generation %d over", self._plan.group, self._number)
            self.complete = True
            return True
        found = self._sampler.sample()
        if found is None:
            return False
        self._tell(found)
        if found.complete and not self.complete:
            self.complete = True
            self._compare()
        return self.complete and not self._options.follow


async def _build(hosted: EngineGroup, look: _Look, stopping: Shutdown) -> bool:
    stop, loop = stopping.event(), asyncio.get_running_loop()
    await loop.run_in_executor(None, hosted.connect)
    import_faust()
    over = False
    with ThreadPoolExecutor(1) as looking:
        try:
            starting = asyncio.ensure_future(hosted.start())
            while not (over or stop.is_set()):
                if starting.done():
                    starting.result()
                if why := hosted.live():
                    raise EngineError(f"{hosted.name}: {why}")
                over = await loop.run_in_executor(looking, look.is_over)
                await _wait(stop, 0.0 if over else _LOOK_SECONDS)
        finally:
            stopping.begin()
            await hosted.stop(leave=True)
    return look.complete


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
