"""Decodes the reply in a line of the outcome log, and makes the outcome that a client matches on.

A reply is a framed record of the reply that the command's contract names. Its class is the generated one where the
client has imported that; HTTP in front of another project's context gets one made at run time.
"""

from __future__ import annotations

from verbwire.errors import UndecodableError
from verbwire.messages import Accepted, Outcome
from verbwire.wire.avro.generic_classes import record_class
from verbwire.wire.codec.topics import Codec, TopicDecoder
from verbwire.wire.records.outcomes import OutcomeRecord


class Replies:
    """Turns the outcome log's lines into outcomes. May be used by several threads."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._decoders: dict[str, TopicDecoder] = {}

    def outcome(self, line: OutcomeRecord) -> Outcome:
        """Return the outcome, with the reply where there is one.

        :class:`ContractError` when the catalog does not know the command or its reply, :class:`UndecodableError`
        when the reply is no such record, :class:`UnavailableError` when the registry has to be asked and is silent.
        """
        if line.reply is None:
            return line.outcome()
        decoder = self._decoders.get(line.command)
        if decoder is None:
            decoder = self._decoders[line.command] = self._decoder(line.command)
        reply = decoder.decode(line.reply)
        if reply is None:
            raise UndecodableError(f"the reply to {line.command} is another record than its contract names")
        return Accepted(reply=reply)

    def _decoder(self, command: str) -> TopicDecoder:
        catalog = self._codec.catalog
        contract = catalog.find(catalog.find(command).reply or f"the reply of {command}")
        where = f"a reply to {command}"  # stands in errors in the place of a topic
        return self._codec.topic_decoder(where, contract.namespace, {contract.name: record_class(contract)})
