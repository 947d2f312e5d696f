"""Keys that a person wrote, as the bytes that a topic's records may have."""

from __future__ import annotations

from verbwire.contracts.schema.model import Contract
from verbwire.errors import UnkeyableError
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.inspection.reading.known_topics import Holds
from verbwire.inspection.reading.rows import row_contracts
from verbwire.messages import Kind
from verbwire.wire.keys import parse_key_text

_KINDS = {Holds.COMMAND: Kind.COMMAND, Holds.OUTCOME: Kind.COMMAND, Holds.EVENT: Kind.EVENT}


def key_candidates(cluster: OpenCluster, topic: str, text: str) -> list[bytes]:
    """Return what the bytes of a key may be in a topic: one, unless its messages have keys of several types.

    Where no contract tells, it is the text itself. :class:`UnkeyableError` where it is a key of none of them.
    """
    contracts = _contracts(cluster, topic)
    if not contracts:
        return [text.encode()]
    return candidates_of(contracts, text)


def candidates_of(contracts: list[Contract], text: str) -> list[bytes]:
    """Return the bytes of a key by each contract that it is a key of; UnkeyableError where there is none."""
    found: dict[bytes, None] = {}
    refused: UnkeyableError | None = None
    for contract in contracts:
        try:
            found[parse_key_text(contract, text)] = None
        except UnkeyableError as error:
            refused = error
    if not found and refused is not None:
        raise refused
    return [*found]


def _contracts(cluster: OpenCluster, topic: str) -> list[Contract]:
    known = cluster.topics.get(topic)
    if known is None:
        return []
    if (row := row_contracts(cluster.project).get(topic)) is not None:
        return [row]
    kind = _KINDS.get(known.holds)
    return [] if kind is None else cluster.project.catalog.of_namespace(known.owner, kind)
