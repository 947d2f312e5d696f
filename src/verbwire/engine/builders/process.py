"""Builds the topology of a process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.handlers import Handler
from verbwire.declarations.process import Process
from verbwire.declarations.requirements import cancelling, require_process
from verbwire.engine.builders.groups import Places, answers_log
from verbwire.engine.builders.process_answers import process_answers
from verbwire.engine.code.facts import CurrentCode
from verbwire.engine.processors.inputs import InputReader, OutcomeInput, event_readers
from verbwire.engine.processors.instance_requests import InstanceRequests
from verbwire.engine.processors.instance_rows import DUE, InstanceRows
from verbwire.engine.processors.parking import RecordParking
from verbwire.engine.processors.process import CommandEmission, ProcessManagerProcessor, ProcessVersion
from verbwire.engine.processors.repartition import Repartitioner
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.processors.requests import OperatorRequests
from verbwire.engine.processors.rows import of_kind
from verbwire.engine.processors.skips import Skips
from verbwire.engine.processors.tracing import EngineTracing
from verbwire.engine.topology import Due, Log, Topology
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.messages import Command, Kind, Message
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.principal import Principal
from verbwire.wire.codec.replies import Replies
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.process_command_ids import CommandIds
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord


def process_topology(
    process: Process[Any],
    codec: Codec,
    partitions: int,
    targets: Mapping[str, int],
    skip: Places = (),
    grants: Grants | None = None,
    clock: BrokerClock | None = None,
    notifier: ReplyNotifier | None = None,
) -> Topology:
    """Return the topology of a process; `targets` are the numbers of partitions of the commands' topics.

    Its deadlines count by `clock`. Clients that wait for its answers are told by `notifier`.
    """
    require_process(process, codec.catalog)
    clock = clock or BrokerClock()
    names = codec.names
    group, ids = names.group(process.group), CommandIds(process.group)
    limits, tracing = RecordLimits(), EngineTracing.of(group)
    rows = InstanceRows(codec, names.changelog(group, process.table), [each.state for each in process.versions], limits)
    versions = {each.version: _version(each, codec) for each in process.versions}
    repartitioner = Repartitioner(names.repartition(group, process.table), partitions)
    keys = {event: attrgetter(field) for event, field in process.keys.items()}
    skips = Skips(skip)
    requests = OperatorRequests.of(codec, group, skips, {})
    parking = None if process.parking is None else RecordParking.of(codec, group, process.parking, requests)
    lead = ProcessManagerProcessor(
        input_readers={
            **event_readers(codec, process.sources, process.handlers, keys),
            **_outcome_readers(process, codec, ids, grants or Grants()),
        },
        row=process.state,
        encode=rows.encode,
        normal=rows.normal,
        dead_letters=names.dead_letters(group),
        repartition=repartitioner,
        skips=skips,
        requests=requests,
        parking=parking,
        watch=HandlerWatch(group),
        around=tracing.message if tracing else None,
        tracing=tracing,
        sends={command: _sends(process, codec, command, targets, grants or Grants()) for command in process.sends},
        group=process.group,
        versions=versions,
        newest=versions[process.version],
        ids=ids,
        limits=limits,
        clock=clock,
    )
    if parking is not None:
        parking.serve(lead.again)
    requests.kinds.update(InstanceRequests(lead).kinds())
    answers = (
        process_answers(process, codec, lead, partitions, notifier, grants or Grants()) if process.namespace else None
    )
    lead.answers = answers
    received = () if answers is None else (answers.commands_topic,)
    codes = {} if answers is None else answers.codes()
    # Commands may have been received, and none answered yet.
    answered: list[Log] = []
    if answers is not None:
        log = answers_log(codec, answers.outcome_log.topic, answers.commands_topic)
        answered.append(replace(log, may_be_empty=True))
    return Topology(
        group=group,
        table=process.table,
        inputs=(*lead.input_readers, *received, repartitioner.topic, requests.topic),
        outputs=(lead.dead_letters, repartitioner.topic, requests.topic),
        partitions=partitions,
        logs=(rows.log(), *answered, *([parking.log()] if parking else [])),
        columns=(),
        own_columns=rows.columns,
        beside=rows.beside,
        commands=codes,
        due=Due(DUE, clock, lead.fire) if any(each.deadlines for each in process.versions) else None,
        encode=rows.encode_all,
        decode=rows.decode,
        processor=lead,
        code=CurrentCode(rows.versions),
        repartition=repartitioner.topic,
        requests=requests,
        targets=targets,
        limits=limits,
    )


def _version(process: Process[Any], codec: Codec) -> ProcessVersion:
    silent = {each for each in (*process.sends, *process.outcomes) if codec.catalog.of(each).response == "none"}
    return ProcessVersion(
        process.version,
        process.state,
        dict[type[Message], Handler]([*process.handlers.items(), *process.outcomes.items()]),
        frozenset(process.sends),
        process.ignored | silent,
        process.deadlines,
        process.undoing,
        dict[type[Message], Handler](process.receivers.items()),
    )


def command_topics(process: Process[Any], codec: Codec) -> list[str]:
    """Return the topics of the commands that a process may send, and of those that it may send for later."""
    contracts = [codec.catalog.of(command) for command in process.sends]
    later = {codec.names.scheduled(each.namespace) for each in contracts if each.schedulable}
    return sorted({codec.names.commands(each.namespace) for each in contracts} | later)


def _sends(
    process: Process[Any], codec: Codec, command: type[Command], targets: Mapping[str, int], grants: Grants
) -> CommandEmission:
    contract = of_kind(codec, command, Kind.COMMAND)
    topic = codec.names.commands(contract.namespace)
    source = codec.names.group(process.group)
    principal = _principal(process)
    headers = HeaderTemplate(contract, source, principal)
    grantor = grants.grantor(contract, codec.names)
    grant = None if grantor is None else partial(grantor.headers, principal)
    scheduled = codec.names.scheduled(contract.namespace) if contract.schedulable else None
    return CommandEmission(contract, codec.encoder(contract), headers, topic, targets[topic], grant, scheduled)


def _outcome_readers(process: Process[Any], codec: Codec, ids: CommandIds, grants: Grants) -> dict[str, InputReader]:
    sent = map(codec.catalog.of, process.sends)
    signed = frozenset(each.name for each in sent if _signs(process, each, codec, grants))
    handlers = {command.__contract__: handler for command, handler in process.outcomes.items()}
    ignored = {command.__contract__ for command in process.ignored}
    silent = {contract.name for contract in codec.catalog if contract.response == "none"}
    ignored |= silent.difference(handlers)
    replies, input_readers = Replies(codec), dict[str, InputReader]()
    for namespace in (*process.answering, *cancelling(process, codec.catalog)):
        topic = codec.names.outcomes(namespace)
        decoder = codec.topic_decoder(topic, OUTCOME.namespace, {OUTCOME.name: OutcomeRecord})
        input_readers[topic] = OutcomeInput(
            decoder, replies, handlers, frozenset(ignored), ids, signed, frozenset(silent)
        )
    return input_readers


def _signs(process: Process[Any], contract: Contract, codec: Codec, grants: Grants) -> bool:
    grantor = grants.grantor(contract, codec.names)
    return grantor is not None and grantor.may(_principal(process))


def _principal(process: Process[Any]) -> Principal:
    return Principal(process.group, process.scopes)
