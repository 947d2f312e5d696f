"""What is done with each type of message: its contract, its handler, and what it has to prove."""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.handlers import Handler
from verbwire.errors import ContractError
from verbwire.messages import Reply
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.grants.policy import GrantCheck


@dataclass(frozen=True)
class MessageHandling:
    """Dispatches one type of message to its handler."""

    contract: Contract
    handler: Handler
    check: GrantCheck | None = None  # of the proof that a command has to carry


@dataclass(frozen=True)
class CommandHandling(MessageHandling):
    """Dispatches one type of command, and encodes its reply."""

    reply: Encoder | None = None  # of the row that its contract names

    def framed(self, reply: Reply | None) -> bytes | None:
        """Return the reply's record; ContractError where it is not what the contract says."""
        if self.reply is None and reply is None:
            return None
        name = self.contract.short
        if self.reply is None:
            raise ContractError(f"{type(reply).__name__} is no state and {name} has no reply: name it in its contract")
        expected = self.reply.contract
        if reply is None:
            raise ContractError(f"{name} was not replied to: return {expected.short} besides its events")
        if (reply.__contract__, reply.__fingerprint__) != (expected.name, expected.fingerprint):
            raise ContractError(f"{name} is replied to with {expected.name} as it is now, not {type(reply).__name__}")
        return self.reply(reply)
