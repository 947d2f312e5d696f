"""Builds what receives the commands of a process, and enters their outcomes."""

from __future__ import annotations

from typing import Any

from verbwire.declarations.process import Process
from verbwire.engine.builders.groups import command_handling
from verbwire.engine.processors.aggregate import EventEmission
from verbwire.engine.processors.outcomes import OutcomeLog
from verbwire.engine.processors.process import ProcessManagerProcessor
from verbwire.engine.processors.process_commands import ProcessCommandProcessor
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.errors import ContractError
from verbwire.handling.dispatch import CommandHandling
from verbwire.messages import Event, Message
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.records.outcomes import OUTCOME


def process_answers(
    process: Process[Any],
    codec: Codec,
    lead: ProcessManagerProcessor,
    partitions: int,
    notifier: ReplyNotifier | None,
    grants: Grants,
) -> ProcessCommandProcessor:
    """Return what receives the commands of a process; `lead` takes the steps that they lead to."""
    names, namespace = codec.names, process.namespace or ""
    group, commands, events = names.group(process.group), names.commands(namespace), names.events(namespace)
    receives: dict[type[Message], CommandHandling] = {
        cls: command_handling(codec, cls, handler, grants) for cls, handler in process.receivers.items()
    }
    outcome_log = OutcomeLog(
        *(names.outcomes(namespace), events, codec.encoder(OUTCOME), HeaderTemplate(OUTCOME, group)),
        notifier or ReplyNotifier({}, names.replies()),
        lead.limits,
    )
    return ProcessCommandProcessor(
        decoder=codec.topic_decoder(commands, namespace, {cls.__contract__: cls for cls in receives}),
        commands=receives,
        state=process.state,
        events={},
        emits=_emits_nothing,
        events_topic=events,
        encode=lead.encode,
        normal=lead.normal,
        outcome_log=outcome_log,
        limits=lead.limits,
        dead_letters=lead.dead_letters,
        clock=lead.clock,
        watch=lead.watch,
        lead=lead,
        commands_topic=commands,
        partitions=partitions,
    )


def _emits_nothing(event: type[Event]) -> EventEmission:
    raise ContractError(f"{event.__name__}: a process publishes no events, it sends commands")
