"""Builds the topology of an aggregate or a table: topics by name, contracts to encoders, functions to handlers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from verbwire.declarations.aggregate import STATE, Aggregate
from verbwire.declarations.handlers import Handler
from verbwire.declarations.requirements import require_table
from verbwire.declarations.table import Table
from verbwire.engine.code.facts import CurrentCode
from verbwire.engine.processors.aggregate import AggregateProcessor, EventEmission
from verbwire.engine.processors.inputs import event_readers
from verbwire.engine.processors.outcomes import OutcomeLog, dedup_entry_of
from verbwire.engine.processors.parking import RecordParking
from verbwire.engine.processors.repartition import Repartitioner
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.processors.requests import OperatorRequests
from verbwire.engine.processors.rows import RowCodec, of_kind
from verbwire.engine.processors.skips import Place, Skips
from verbwire.engine.processors.table import TableProcessor
from verbwire.engine.processors.tracing import EngineTracing
from verbwire.engine.processors.windowed_table import WindowedTableProcessor
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.topology import ANSWERS, ExchangePlaces, Log, Topology
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import ContractError
from verbwire.handling.admission import codes_of
from verbwire.handling.dispatch import CommandHandling
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.kafka.record import Record
from verbwire.messages import Event, Kind, Message
from verbwire.names import Names
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.records.outcomes import OUTCOME, OutcomeRecord
from verbwire.wire.records.rebuilds import RowExchange

Places = Iterable[Place]


def table_topology(table: Table[Any], codec: Codec, partitions: int, skip: Places = ()) -> Topology:
    """Return the topology of a table."""
    require_table(table, codec.catalog)
    names = codec.names
    group = names.group(table.group)
    limits = RecordLimits()
    rows = RowCodec(codec, names.changelog(group, table.table), table.row, table.index, table.search, limits)
    repartitioner = Repartitioner(names.repartition(group, table.table), partitions) if table.keys else None
    keys = {event: handler.function for event, handler in table.keys.items()}
    skips = Skips(skip)
    requests = OperatorRequests.of(codec, group, skips, {})
    parking = None if table.parking is None else RecordParking.of(codec, group, table.parking, requests)
    folding: dict[str, Any] = {
        "input_readers": event_readers(codec, table.sources, table.handlers, keys),
        "row": table.row,
        "encode": rows.encode,
        "normal": rows.normal,
        "dead_letters": names.dead_letters(group),
        "repartition": repartitioner,
        "skips": skips,
        "requests": requests,
        "parking": parking,
        "watch": HandlerWatch(group),
        "around": tracing.message if (tracing := EngineTracing.of(group)) else None,
    }
    if table.window is None:
        fold = TableProcessor(**folding)
    else:
        times = {event: codec.catalog.of(event).time or "" for event in table.handlers}
        fold = WindowedTableProcessor(**folding, window=table.window, contract=rows.contract, times=times)
    if parking is not None:
        parking.serve(fold.again)
    return Topology(
        group=group,
        table=table.table,
        inputs=(*fold.input_readers, *(each.topic for each in (repartitioner, requests) if each)),
        outputs=(fold.dead_letters, *(each.topic for each in (repartitioner, requests) if each)),
        partitions=partitions,
        logs=(rows.log(), *([parking.log()] if parking else [])),
        columns=rows.columns,
        encode=rows.encode_all,
        decode=rows.decode,
        processor=fold,
        code=CurrentCode(rows.versions),
        limits=limits,
        search=table.search,
        repartition=repartitioner.topic if repartitioner else None,
        window=table.window,
        requests=requests,
    )


def aggregate_topology(
    aggregate: Aggregate[Any],
    codec: Codec,
    partitions: int,
    notifier: ReplyNotifier,
    clock: BrokerClock,
    grants: Grants | None = None,
) -> Topology:
    """Return the topology of an aggregate; it notifies clients by `notifier`, and holds deadlines against `clock`."""
    names, namespace = codec.names, aggregate.namespace
    group, commands = names.group(aggregate.group), names.commands(aggregate.namespace)
    limits = RecordLimits()
    rows = RowCodec(codec, names.changelog(group, STATE), aggregate.state, limits=limits)
    receives: dict[type[Message], CommandHandling] = {
        cls: command_handling(codec, cls, handler, grants or Grants()) for cls, handler in aggregate.handlers.items()
    }
    emitted = codec.catalog.of_namespace(namespace, Kind.EVENT)
    for contract in emitted:
        codec.encoder(contract)  # asks the registry now: a handler that gives the state may emit any of them, later

    def emits(cls: type[Event]) -> EventEmission:
        contract = of_kind(codec, cls, Kind.EVENT)
        if contract.namespace != namespace:
            raise ContractError(
                f"{contract.name} is an event of another context than {namespace}: it cannot be emitted"
            )
        return EventEmission(
            contract, codec.encoder(contract), HeaderTemplate(contract, group), aggregate.appliers.get(cls)
        )

    outcomes, events_topic = names.outcomes(namespace), names.events(namespace)
    decide = AggregateProcessor(
        decoder=codec.topic_decoder(commands, namespace, {cls.__contract__: cls for cls in receives}),
        commands=receives,
        state=aggregate.state,
        events={cls: emits(cls) for cls in aggregate.appliers},
        emits=emits,
        events_topic=events_topic,
        encode=rows.encode,
        normal=rows.normal,
        outcome_log=OutcomeLog(
            outcomes, events_topic, codec.encoder(OUTCOME), HeaderTemplate(OUTCOME, group), notifier, limits
        ),
        limits=limits,
        dead_letters=names.dead_letters(group),
        clock=clock,
        watch=HandlerWatch(group),
        tracing=EngineTracing.of(group),
    )
    return Topology(
        group=group,
        table=STATE,
        inputs=(commands,),
        outputs=(*((decide.events_topic,) if emitted else ()), decide.dead_letters),
        partitions=partitions,
        logs=(rows.log(), answers_log(codec, outcomes, commands)),
        columns=(),
        encode=rows.encode_all,
        decode=rows.decode,
        processor=decide,
        code=CurrentCode(rows.versions),
        limits=limits,
        commands={each.contract.name: codes_of(each.contract) for each in receives.values()},
        exchanges=partial(exchange_places, names, aggregate.namespace, aggregate.group),
    )


def exchange_places(names: Names, namespace: str, group: str, exchange: RowExchange) -> ExchangePlaces:
    """Return where the exchange of an aggregate's states has what it needs."""
    rows, kept = (names.of_generation(group, each).group(group) for each in (exchange.rows, exchange.kept))
    return ExchangePlaces(rows, names.events(namespace), names.changelog(rows, STATE), names.changelog(kept, STATE))


def answers_log(codec: Codec, outcomes: str, commands: str) -> Log:
    """Return how the outcome log restores what is remembered of commands, and how far they were read."""
    decoder = codec.topic_decoder(outcomes, "verbwire", {OutcomeRecord.__contract__: OutcomeRecord})

    def absorb(changes: StoreChanges, record: Record) -> None:
        line = decoder.decode(record.value)
        if not isinstance(line, OutcomeRecord) or record.value is None:
            return
        changes.inputs[commands] = max(changes.inputs.get(commands, 0), line.offset + 1)
        changes.answers[line.command_id] = dedup_entry_of(line, record.value, record.timestamp)

    return Log(ANSWERS, outcomes, absorb)


def command_handling(codec: Codec, cls: type[Message], handler: Handler, grants: Grants) -> CommandHandling:
    """Return how commands of a class are handled; ContractError where its reply is none."""
    contract = of_kind(codec, cls, Kind.COMMAND)
    check = grants.check(contract, codec.names)
    if contract.reply is None:
        return CommandHandling(contract, handler, check=check)
    reply = codec.catalog.contracts.get(contract.reply)
    if reply is None or reply.kind is not Kind.REPLY:
        raise ContractError(
            f'{contract.name} is replied to with {contract.reply}, which is no reply: give it that "kind"'
        )
    return CommandHandling(contract, handler, check, codec.encoder(reply))
