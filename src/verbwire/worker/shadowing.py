"""How a generation that is being rebuilt differs from one that serves: it reads a history, and may be slowed down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from verbwire.engine.group import BATCH, BatchLimits
from verbwire.engine.processors.paced import SHARE, PacedProcessor
from verbwire.engine.topology import Topology

_TOPICS_APART = timedelta(milliseconds=100)  # about what a running worker fetches at once: it keeps no closer order


@dataclass(frozen=True)
class Shadowing:
    """At most `rate` records a second in this process; None: as many as it can."""

    rate: int | None = None

    def of(self, topology: Topology) -> tuple[Topology, BatchLimits | None]:
        """Return the topology, its sources in order where that makes other rows, and what a transaction may take.

        None: as much as usual.
        """
        topology, batch = replace(topology, in_time_order=_step(topology)), None
        if self.rate is not None:
            paced = PacedProcessor(topology.processor, self.rate, topology.sources)
            topology = replace(topology, processor=paced)
            batch = replace(BATCH, records=min(BATCH.records, max(1, self.rate // SHARE)))
        return topology, batch


def _step(topology: Topology) -> timedelta | None:
    """Return how far the sources may be apart; None: as they come, since one topic is in order by itself.

    A window under another key takes events of all partitions: apart by half of what may be late, none is too late that
    was not when it came.
    """
    if len(topology.sources) > 1:
        return _TOPICS_APART
    if topology.window is not None and topology.repartition is not None:
        return topology.window.lateness / 2
    return None
