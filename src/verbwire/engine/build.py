"""From a declaration to the plan that a core runs: topics by name, contracts to encoders, functions to handlers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from verbwire.contracts.model import Contract
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.handlers import Handler
from verbwire.declarations.table import Table
from verbwire.engine.clock import BrokerClock
from verbwire.engine.deciding import Decide, Emits, Receives
from verbwire.engine.folding import Fold
from verbwire.engine.hearing import hear_events
from verbwire.engine.hints import Hints
from verbwire.engine.ledger import Ledger, answer_of
from verbwire.engine.plan import ANSWERS, Log, Plan
from verbwire.engine.records import Record
from verbwire.engine.rekeying import Repartition
from verbwire.engine.rows import Rows, of_kind
from verbwire.engine.store import Changes
from verbwire.engine.windowing import WindowFold
from verbwire.errors import ContractError
from verbwire.messages import Event, Kind, Message
from verbwire.queries.columns import type_sort
from verbwire.wire.codec import Codec
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.outcomes import OUTCOME, OutcomeRecord

STATE = "state"  # the name of an aggregate's table within its group
Skips = Iterable[tuple[str, int, int]]


def table_plan(table: Table[Any], codec: Codec, partitions: int, skips: Skips = ()) -> Plan:
    """Return the plan of a table."""
    names = codec.names
    group = names.group(table.group)
    rows = Rows(codec, names.changelog(group, table.table), table.row, table.index, table.search)
    _require_keys(table, rows.contract)
    own = Repartition(names.repartition(group, table.table), partitions) if table.keys else None
    keys = {event: handler.function for event, handler in table.keys.items()}
    folding: dict[str, Any] = {
        "hearings": hear_events(codec, table.sources, table.handlers, keys),
        "row": table.row,
        "encode": rows.encode,
        "dead_letters": names.dead_letters(group),
        "repartition": own,
        "skips": frozenset(skips),
    }
    if table.window is None:
        fold = Fold(**folding)
    else:
        times = _times(table, codec)
        fold = WindowFold(**folding, window=table.window, contract=rows.contract, times=times)
    if not fold.hearings:
        raise ContractError(f"table {table.group} hears nothing: add a handler with @on")
    return Plan(
        group=group,
        table=table.table,
        inputs=(*fold.hearings, *([own.topic] if own else [])),
        outputs=(fold.dead_letters, *([own.topic] if own else [])),
        partitions=partitions,
        logs=(rows.log(),),
        columns=rows.columns,
        encode=rows.encode,
        decode=rows.decode,
        processor=fold,
        search=table.search,
        repartition=own.topic if own else None,
        timed=table.window is not None,
    )


def _require_keys(table: Table[Any], row: Contract) -> None:
    for event in table.keys:
        if event not in table.handlers:
            raise ContractError(f"table {table.group} re-keys {event.__name__} and does not hear it: add a handler")
    if len(row.key) > 1 and table.window is None:
        raise ContractError(
            f"table {table.group}: a row of {row.name} stands under {', '.join(row.key)}, which only rows of windows "
            "may: give the table a window, or the row one key"
        )
    if table.window is not None and (len(row.key) != 2 or type_sort(row, row.key[1]) != "timestamp"):
        raise ContractError(
            f"table {table.group}: a row of windows stands under two fields, what is counted and a timestamp, when the "
            f"window begins; the key of {row.name} is {', '.join(row.key)}"
        )


def _times(table: Table[Any], codec: Codec) -> dict[type[Event], str]:
    """Return the field of each event that is its time."""
    times = {}
    for event in table.handlers:
        contract = of_kind(codec, event, Kind.EVENT)
        if contract.time is None:
            raise ContractError(
                f'table {table.group} has windows of event time, and {contract.name} has none: name its field, "time"'
            )
        times[event] = contract.time
    return times


def aggregate_plan(aggregate: Aggregate[Any], codec: Codec, partitions: int, hints: Hints, clock: BrokerClock) -> Plan:
    """Return the plan of an aggregate; it tells askers by `hints`, and deadlines by `clock`."""
    names, namespace = codec.names, aggregate.namespace
    group, commands = names.group(aggregate.group), names.commands(aggregate.namespace)
    rows = Rows(codec, names.changelog(group, STATE), aggregate.state)
    receives: dict[type[Message], Receives] = {
        cls: _receives(codec, cls, handler, rows.contract) for cls, handler in aggregate.handlers.items()
    }
    emitted = codec.catalog.of_namespace(namespace, Kind.EVENT)
    for contract in emitted:
        codec.encoder(contract)  # asks the registry now: a handler that gives the state may emit any of them, later

    def emits(cls: type[Event]) -> Emits:
        contract = of_kind(codec, cls, Kind.EVENT)
        if contract.namespace != namespace:
            raise ContractError(
                f"{contract.name} is an event of another context than {namespace}: it cannot be emitted"
            )
        return Emits(contract, codec.encoder(contract), HeaderTemplate(contract, group), aggregate.appliers.get(cls))

    outcomes = names.outcomes(namespace)
    decide = Decide(
        decoder=codec.topic_decoder(commands, namespace, {cls.__contract__: cls for cls in receives}),
        commands=receives,
        state=aggregate.state,
        events={cls: emits(cls) for cls in aggregate.appliers},
        emits=emits,
        events_topic=names.events(namespace),
        encode=rows.encode,
        ledger=Ledger(outcomes, codec.encoder(OUTCOME), HeaderTemplate(OUTCOME, group), hints),
        dead_letters=names.dead_letters(group),
        clock=clock,
    )
    return Plan(
        group=group,
        table=STATE,
        inputs=(commands,),
        outputs=(*((decide.events_topic,) if emitted else ()), decide.dead_letters),
        partitions=partitions,
        logs=(rows.log(), _answers_log(codec, outcomes, commands)),
        columns=(),
        encode=rows.encode,
        decode=rows.decode,
        processor=decide,
    )


def _answers_log(codec: Codec, outcomes: str, commands: str) -> Log:
    decoder = codec.topic_decoder(outcomes, "verbwire", {OutcomeRecord.__contract__: OutcomeRecord})

    def absorb(changes: Changes, record: Record) -> None:
        line = decoder.decode(record.value)
        if not isinstance(line, OutcomeRecord) or record.value is None:
            return
        changes.inputs[commands] = max(changes.inputs.get(commands, 0), line.offset + 1)
        changes.answers[line.command_id] = answer_of(line, record.value, record.timestamp)

    return Log(ANSWERS, outcomes, absorb)


def _receives(codec: Codec, cls: type[Message], handler: Handler, state: Contract) -> Receives:
    contract = of_kind(codec, cls, Kind.COMMAND)
    if contract.reply is None:
        return Receives(contract, handler)
    reply = codec.catalog.contracts.get(contract.reply)
    if reply is None or reply.kind is not Kind.ROW:
        raise ContractError(
            f'{contract.name} is replied to with {contract.reply}, which is no row: give it that "kind"'
        )
    if reply is state:
        raise ContractError(
            f"{contract.name} is replied to with {reply.name}, the state of its aggregate: a handler that returns one "
            "could mean either. Make a row of its own for the reply"
        )
    return Receives(contract, handler, codec.encoder(reply))
