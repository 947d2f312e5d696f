"""Looks up outcomes in the local state of aggregates on this worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from verbwire.engine.state.reader import StoreReader
from verbwire.messages import Message
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.records.outcomes import OutcomeRecord
from verbwire.wire.records.process_instances import received_mark
from verbwire.wire.topics import OUTCOME_RETENTION_MS


@dataclass(frozen=True)
class AggregateOutcomes:
    """An aggregate, or a process that answers, here or elsewhere. `decode` reads outcome logs' lines, in many threads.

    `later`: an outcome may come long after its command was read.
    """

    namespace: str
    commands: str  # the topic
    store_reader: StoreReader
    decode: Callable[[bytes], Message | None]
    later: bool = False

    def look(self, token: OutcomeToken) -> tuple[OutcomeRecord | None, bool]:
        """Return what is remembered of the command's id, and whether there will be no more than that.

        Reads the disk; :class:`UnavailableError` when the partition is not here.
        """
        state = self.store_reader.states.get(token.partition)
        reached = state is not None and state.inputs.get(self.commands, 0) > token.offset  # before the line is read
        found = self.store_reader.answer(token.partition, token.id)
        line = None if found is None else self.decode(found.outcome)
        if reached and self.later:
            reached = token.timestamp + OUTCOME_RETENTION_MS < time.time() * 1000 and not self._is_open(token)
        return (line if isinstance(line, OutcomeRecord) else None), reached

    def _is_open(self, token: OutcomeToken) -> bool:
        return self.store_reader.stands_beside(token.partition, received_mark(token.id))
