"""Builds the topology of a scheduler."""

from __future__ import annotations

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.scheduler import PENDING, Scheduler
from verbwire.engine.code.facts import CurrentCode
from verbwire.engine.processors.cancellations import Cancellations
from verbwire.engine.processors.outcomes import OutcomeLog
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.processors.schedule_firing import ScheduledSending, ScheduleFiring
from verbwire.engine.processors.scheduled_commands import ScheduledCommands
from verbwire.engine.processors.scheduled_rows import ORDER, ScheduledRows
from verbwire.engine.processors.scheduler import SchedulerProcessor
from verbwire.engine.topology import Due, Topology
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.messages import Command, Kind
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.records.outcomes import OUTCOME
from verbwire.wire.scheduling import CANCEL


def scheduler_topology(
    scheduler: Scheduler,
    codec: Codec,
    partitions: int,
    notifier: ReplyNotifier,
    clock: BrokerClock,
    grants: Grants | None = None,
) -> Topology:
    """Return the topology of a scheduler; it fires by `clock`, and tells those who cancel by `notifier`."""
    names, namespace, grants = codec.names, scheduler.namespace, grants or Grants()
    group, commands, limits = names.group(scheduler.group), names.commands(namespace), RecordLimits()
    rows = ScheduledRows(codec, names.changelog(group, PENDING), limits)
    contracts = {each.name: each for each in codec.catalog.of_namespace(namespace, Kind.COMMAND)}
    checks = {name: check for name, each in contracts.items() if (check := grants.check(each, names))}

    def sending(command: type[Command]) -> ScheduledSending:
        contract: Contract = codec.catalog.of(command)
        return ScheduledSending(contract, codec.encoder(contract), grants.grantor(contract, names))

    processor = SchedulerProcessor(
        rows=rows,
        commands=ScheduledCommands(
            topic=commands,
            checks=checks,
            grantors={name: found for name, each in contracts.items() if (found := grants.grantor(each, names))},
            limits=limits,
        ),
        cancellations=Cancellations(
            name=f"{scheduler.group}.{CANCEL}",
            outcome_log=OutcomeLog(
                *(names.outcomes(scheduler.group), "", codec.encoder(OUTCOME), HeaderTemplate(OUTCOME, group)),
                *(notifier, limits),
            ),
            contracts=contracts,
            checks=checks,
        ),
        schedules=ScheduleFiring(
            schedules=scheduler.schedules,
            topic=commands,
            source=group,
            partitions=partitions,
            sending=sending,
            limits=limits,
        ),
        dead_letters=names.dead_letters(group),
        watch=HandlerWatch(group),
    )
    return Topology(
        group=group,
        table=PENDING,
        inputs=(names.scheduled(namespace),),
        outputs=(commands, names.outcomes(scheduler.group), processor.dead_letters),
        partitions=partitions,
        logs=(rows.log(),),
        columns=rows.columns,
        own_columns=(ORDER,),
        encode=rows.encode_all,
        decode=rows.decode,
        processor=processor,
        code=CurrentCode(rows.versions),
        limits=limits,
        due=Due(ORDER, clock, processor.fire, processor.begin),
    )
