"""Looks up outcomes in the local state of aggregates on this worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verbwire.engine.state.reader import StoreReader
from verbwire.messages import Message
from verbwire.wire.outcome_tokens import OutcomeToken
from verbwire.wire.records.outcomes import OutcomeRecord


@dataclass(frozen=True)
class AggregateOutcomes:
    """An aggregate, here or elsewhere. `decode` reads the outcome log's lines, by several threads."""

    namespace: str
    commands: str  # the topic
    store_reader: StoreReader
    decode: Callable[[bytes], Message | None]

    def look(self, token: OutcomeToken) -> tuple[OutcomeRecord | None, bool]:
        """Return what is remembered of the command's id, and whether the receiver has come as far as the command.

        Reads the disk; :class:`UnavailableError` when the partition is not here.
        """
        state = self.store_reader.states.get(token.partition)
        reached = state is not None and state.inputs.get(self.commands, 0) > token.offset  # before the line is read
        found = self.store_reader.answer(token.partition, token.id)
        line = None if found is None else self.decode(found.outcome)
        return (line if isinstance(line, OutcomeRecord) else None), reached
