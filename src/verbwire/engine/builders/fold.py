"""Builds the topology that folds the states of an aggregate anew, from its own events."""

from __future__ import annotations

from verbwire.declarations.fold import AggregateFold
from verbwire.engine.code.facts import CurrentCode
from verbwire.engine.processors.fold import FoldProcessor
from verbwire.engine.processors.inputs import event_readers
from verbwire.engine.processors.rows import RowCodec
from verbwire.engine.topology import Topology
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.wire.codec.topics import Codec


def fold_topology(fold: AggregateFold, codec: Codec, partitions: int) -> Topology:
    """Return the topology of a generation of an aggregate's states, whose number the names of `codec` mean."""
    names, limits = codec.names, RecordLimits()
    group = names.group(fold.group)
    rows = RowCodec(codec, names.changelog(group, fold.table), fold.row, limits=limits)
    processor = FoldProcessor(
        input_readers=event_readers(codec, [fold.namespace], fold.aggregate.appliers, {}),
        row=fold.row,
        encode=rows.encode,
        normal=rows.normal,
        dead_letters=names.dead_letters(group),
        watch=HandlerWatch(group),
        source=names.of_generation(fold.group, 0).group(fold.group),
        only_kept=fold.only_kept,
    )
    return Topology(
        group=group,
        table=fold.table,
        inputs=(names.events(fold.namespace),),
        outputs=(),
        partitions=partitions,
        logs=(rows.log(),),
        columns=(),
        encode=rows.encode_all,
        decode=rows.decode,
        processor=processor,
        code=CurrentCode(rows.versions),
        limits=limits,
    )
