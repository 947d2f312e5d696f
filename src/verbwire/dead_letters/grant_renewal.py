"""Renews the grants of commands that are requeued: written again, they have a new timestamp, and the old grant is late.

The new signature vouches for what the first grant proved, and for nothing else: that is checked as it was, by the time
at which Kafka first took the record.
"""

from __future__ import annotations

from verbwire.client.base.connection import Connection
from verbwire.contracts.schema.model import Contract
from verbwire.errors import UndecodableError
from verbwire.kafka.record import ConsumedRecord
from verbwire.wire.grants.policy import Grantor
from verbwire.wire.headers import GRANT_HEADER, Headers, RawHeaders


class GrantRenewal:
    """Signs again for the principal that the first grant was for; needs the secret of grants."""

    def __init__(self, connection: Connection) -> None:
        self._grants = connection.grants
        self._names = connection.names
        self._catalog = connection.catalog

    def refuses(self, original: ConsumedRecord) -> str | None:
        """Return why its aggregate would refuse a requeued command, None where it would not."""
        contract = self._contract(original)
        if contract is None:
            return None
        check, headers = self._grants.check(contract, self._names), Headers(original.headers)
        try:
            fault = check and check.fault(headers, headers.command_id or "", original, by_broker=True)
        except UndecodableError as error:
            return str(error)
        return f"its grant is {fault}, it would be refused: its sender has to send it again" if fault else None

    def headers(self, original: ConsumedRecord) -> RawHeaders:
        """Return its headers with a grant of now, unchanged where it needs none."""
        contract = self._contract(original)
        grantor = None if contract is None else self._grants.grantor(contract, self._names)
        if grantor is None:
            return [*original.headers]
        return [each for each in original.headers if each[0] != GRANT_HEADER] + _signed(grantor, original)

    def _contract(self, original: ConsumedRecord) -> Contract | None:
        """Return the contract of a command that requires a grant."""
        try:
            found = self._catalog.contracts.get(Headers(original.headers).type or "")
        except UndecodableError:
            return None
        return found if found is not None and self._grants.required(found) else None


def _signed(grantor: Grantor, original: ConsumedRecord) -> RawHeaders:
    headers = Headers(original.headers)
    key, value = original.key or b"", original.value or b""
    return grantor.headers(headers.principal, headers.command_id or "", key, value)
