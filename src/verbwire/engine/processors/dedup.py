"""Deduplicates commands: an id whose outcome is final gets no second one.

The memory is the outcome log. The newest outcome of each id stands in the local store as well
(:class:`~verbwire.engine.state.store.DedupEntry`), and is read through the partition's cache: the fingerprint of
the command that was decided. HTTP's ``Idempotency-Key`` becomes such an id (`http.commands.idempotency`).
"""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.engine.processors.outcomes import OutcomeBatch
from verbwire.engine.processors.received_command import ReceivedCommand
from verbwire.engine.transactions.dead_letters import dead_letter
from verbwire.messages import ID_REUSED, Rejected
from verbwire.observability.watch.handlers import HandlerWatch


@dataclass(frozen=True)
class CommandDedup:
    """Settles commands whose id is decided already."""

    dead_letters: str
    watch: HandlerWatch

    def settle(self, command: ReceivedCommand, decided: bytes | None, batch: OutcomeBatch) -> bool:
        """Reply the known outcome to a duplicate, and refuse another payload under its id; False for a new id.

        `decided` is the fingerprint of the command that was decided under this id, None where there was none.
        """
        if decided is None:
            return False
        if decided == command.fingerprint:
            batch.transaction.count("duplicate")
            batch.repeat(command.name, command.reply_partition)
            return True
        detail = f"{command.name} named another payload"
        self.watch.dead_lettered("id-reused", command.record, detail)
        dead_letter(batch.transaction, self.dead_letters, command.record, "id-reused", detail)
        batch.refuse(command.entry(Rejected(ID_REUSED, detail)))
        return True
