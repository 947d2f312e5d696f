"""The replies of accepted commands as JSON."""

from __future__ import annotations

from collections.abc import Callable

from verbwire.contracts.schema.model import Catalog
from verbwire.http.avro_json import encode
from verbwire.messages import Accepted, Message, Outcome


class ReplyWriter:
    """Writes replies, each by the contract that its class names."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._writers: dict[str, Callable[[Message], bytes]] = {}

    def __call__(self, outcome: Outcome) -> bytes | None:
        """Return the JSON of an outcome's reply, None where there is none."""
        if not isinstance(outcome, Accepted) or outcome.reply is None:
            return None
        reply: Message = outcome.reply
        name = type(reply).__contract__
        writer = self._writers.get(name)
        if writer is None:
            writer = self._writers[name] = encode.encoder(self._catalog.contracts[name])
        return writer(reply)
