"""Runs one group as a Faust app: membership, co-partitioning and table are Faust's, processing is the engine's."""

from __future__ import annotations

from pathlib import Path

import faust
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.sensors import Monitor
from mode import Service
from yarl import URL

from verbwire.engine.faust.consumer import SETTINGS, Transport
from verbwire.engine.faust.consumer_thread import FAUST_LOG
from verbwire.engine.faust.recovery import Tables
from verbwire.engine.faust.security import UNPROTECTED, Security
from verbwire.engine.group import GroupEngine
from verbwire.engine.state.memory import MEMORY
from verbwire.security.private_files import keep_from_others, private_folder
from verbwire.serial_executor import SerialExecutor


class QuietMonitor(Monitor):
    """Faust's monitor without its tick a second: nobody reads its rates."""

    logger = FAUST_LOG

    @Service.task
    async def _sampler(self) -> None:
        await self.wait_until_stopped()


class GroupApp(faust.App):
    """A Faust app that runs one group's engine."""

    logger = FAUST_LOG
    engine: GroupEngine
    engine_thread: SerialExecutor
    failure: BaseException | None = None

    async def crash(self, reason: BaseException) -> None:
        """Remember why, for the worker to report."""
        self.failure = self.failure or reason
        await super().crash(reason)

    def alive(self) -> str | None:
        """Return why this group is beyond repair, or None."""
        failure = self.failure or self.crash_reason  # the latter where a service beneath crashed: it crashes us unasked
        if failure is not None:
            return str(failure) or repr(failure)
        consumer = self._consumer
        if consumer is None or consumer._thread is None:
            return None
        ended = consumer._thread.coordination_ended()
        return ended and f"{ended}: the process owns nothing and never will"

    def holds(self) -> bool:
        """Whether this worker may answer for what it has: the assignment holds, and the group has answered lately."""
        consumer = self._consumer
        return consumer is not None and consumer.holds()

    @property
    def owned(self) -> set[int] | None:
        """The partitions of the current assignment; None while there is none."""
        assignment = self._consumer and self._consumer.next_assignment
        return assignment.partitions if assignment else None

    def generation(self) -> int:
        """Return the group's generation under which partitions are owned, 0 while there is none."""
        assignment = self._consumer and self._consumer.next_assignment
        return assignment.membership.generation if assignment else 0

    def topics_have_changed(self) -> None:
        """Let the group look at its topics now."""
        consumer = self._consumer
        if consumer is not None and consumer._thread is not None:
            consumer._thread.topics_have_changed()

    async def stop_group(self, leave: bool) -> None:
        """Stop; `leave` the group where this worker will not come back under its name."""
        consumer = self._consumer
        if leave and consumer is not None and consumer._thread is not None:
            consumer._thread.leave_group = True
        await self.stop()


def group_app(
    engine: GroupEngine, bootstrap: str, worker: str, folder: Path, security: Security = UNPROTECTED
) -> GroupApp:
    """Return the app of one group. `worker` is a stable name: the static member and its address derive from it."""
    topology = engine.topology
    own = folder / "faust" / topology.group
    keep_from_others(private_folder(own))
    app = GroupApp(
        topology.group,
        broker=[f"kafka://{each.strip()}" for each in bootstrap.split(",")],
        store="sqlite://",
        datadir=str(own),
        topic_partitions=topology.partitions,
        TableManager=Tables,
        Monitor=QuietMonitor,
        consumer_group_instance_id=worker,
        # Part of the stored assignment: a static member that came back with another one would never get a partition.
        canonical_url=f"http://{worker}",
        broker_credentials=_credentials(security),
        consumer_max_fetch_size=MEMORY.fetch(
            topology.partitions * (len(topology.inputs) + 1)
        ),  # Faust reads the log, too
        **SETTINGS,
    )
    app.engine = engine
    engine.refresh_topics = app.topics_have_changed
    engine.reader.lease = app.holds
    app.engine_thread = SerialExecutor(f"engine {topology.group}")
    app.transport = Transport([URL(f"kafka://{each.strip()}") for each in bootstrap.split(",")], app)
    for topic in topology.inputs:
        app.topics.add(app.topic(topic, key_type=bytes, value_type=bytes))
    app.Table(topology.table, partitions=topology.partitions, key_type=bytes, value_type=bytes)
    return app


def _credentials(security: Security) -> Credentials | None:
    if security.mechanism is None:
        return SSLCredentials(security.tls) if security.tls else None
    return SASLCredentials(
        username=security.username,
        password=security.password,
        ssl_context=security.tls,
        mechanism=security.mechanism,
    )
