"""Whether a record was written with a newer version of its schema than the code at hand has.

Avro lets old code read what newer code wrote: what it does not know is left out. Writing that back would take it away
for good, so whoever means to write a record anew asks here first. The registry's order of a subject's versions decides,
not the ids: an older text that is registered once more keeps its old version.
"""

from __future__ import annotations

from verbwire.contracts.schema.model import Contract
from verbwire.errors import NewerSchemaError
from verbwire.wire.avro.framing import HEADER_SIZE, frame
from verbwire.wire.avro.schema_equality import shape
from verbwire.wire.codec.topics import Codec


class Versions:
    """Compares the schemas of one contract's records with its own; asks the registry once for each of them."""

    def __init__(self, codec: Codec, contract: Contract) -> None:
        self.own = codec.encoder(contract).schema_id
        self._contract = contract
        self._subject = codec.names.subject(contract.name)
        self._registry = codec.registry
        self._known = {frame(self.own)}  # how records begin that may be written anew

    def require_not_newer(self, value: bytes) -> None:
        """Raise NewerSchemaError for a record of a version that was registered after ours.

        Not for one that differs in nothing that is written, in its docs or defaults for instance. What is no record of
        this contract at all is left to the decoder.
        """
        if (head := value[:HEADER_SIZE]) not in self._known and self.checked(int.from_bytes(head[1:], "big")):
            self._known.add(head)

    def checked(self, schema_id: int) -> bool:
        """Do the same for the id of a schema; false where it is none of this contract's."""
        if schema_id == self.own:
            return True
        theirs = self._registry.version(self._subject, schema_id)
        if theirs is None:
            return False
        ours = self._registry.version(self._subject, self.own) or 0
        if theirs > ours and shape(self._registry.schema(schema_id)) != shape(self._contract.schema):
            raise NewerSchemaError(
                f"rows of {self._contract.name} here are of version {theirs}, this code has version {ours}: it would "
                "take away what it does not know. Nothing is lost: a worker whose code has that version goes on with "
                "them by itself. Update this one, or, to go back to older handlers, keep the newer contract with them"
            )
        return True
