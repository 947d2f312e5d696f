"""The tables of a project: what workers say of them, and their rows; or, without workers, rows of the changelog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.table import Table
from verbwire.dotted_names import DottedNames
from verbwire.errors import ConfigurationError, MessageError
from verbwire.inspection.reading.cluster import OpenCluster
from verbwire.inspection.reading.cluster_view import ClusterView
from verbwire.inspection.topics import kept
from verbwire.inspection.worker_http import OperatorHttp
from verbwire.wire.codec.display import plain
from verbwire.wire.keys import parse_key_text
from verbwire.wire.records.changelog import MARK
from verbwire.wire.records.scheduled import SCHEDULED


def list_tables(view: ClusterView) -> list[dict[str, Any]]:
    """Return what ``GET /tables`` says: of every group that keeps rows or states, by name."""
    with closing(OperatorHttp(view)) as http:
        return sorted(http.ask("/tables")["tables"], key=lambda each: str(each["name"]))


def table_page(view: ClusterView, name: str, filters: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of a table as ``GET /tables/{name}`` does, with the parameters that it takes."""
    with closing(OperatorHttp(view)) as http:
        query = f"?{urlencode(filters)}" if filters else ""
        answer: dict[str, Any] = http.ask(f"/tables/{quote(resolve(view, name), safe='')}{query}")
        return answer


def table_row(view: ClusterView, name: str, key: str) -> Any:
    """Return one row as ``GET /tables/{name}/{key}`` does; None where there is none under this key."""
    with closing(OperatorHttp(view)) as http:
        return http.find(f"/tables/{quote(resolve(view, name), safe='')}/{quote(key, safe='')}")


def rows_of_changelog(view: ClusterView, name: str, key: str | None = None) -> Iterator[Any]:
    """Yield the rows of a table as its changelog has them, or the one under a key; no worker is asked.

    As far as transactions are committed: a worker's own copy is never ahead of it.
    """
    declared = view.project.declared[resolve(view, name)]
    contract = SCHEDULED if isinstance(declared, Scheduler) else view.project.catalog.contracts[kept(declared) or ""]
    table = declared.table if isinstance(declared, Table | Scheduler) else "state"
    topic = view.names.changelog(view.names.group(declared.group), table)
    for value in _last_values(view, topic, None if key is None else _key(contract, key)):
        yield msgspec.to_builtins(plain(view.registry, value))


def resolve(view: ClusterView, name: str) -> str:
    """Return the group that a name means, in full; :class:`ConfigurationError` where it keeps no table."""
    keeping = [group for group, declared in view.project.declared.items() if kept(declared) is not None]
    match DottedNames(keeping).matching(name):
        case [found]:
            return found
        case choices:
            said = f"may mean {', '.join(choices)}" if choices else f"is no table: there are {', '.join(keeping)}"
            raise ConfigurationError(f"{name} {said}")


def _key(contract: Contract, text: str) -> bytes:
    try:
        return parse_key_text(contract, text)
    except MessageError as error:
        raise ConfigurationError(f"{text!r} is no key of {contract.name}: {error}") from error


def _last_values(view: ClusterView, topic: str, key: bytes | None) -> Sequence[bytes]:
    found: dict[bytes, bytes] = {}
    for message in OpenCluster(view).records(topic):
        at, value = message.key() or MARK, message.value()
        if at == MARK or (key is not None and at != key):
            continue
        if value is None:
            found.pop(at, None)
        else:
            found[at] = value
    return [found[at] for at in sorted(found)]
