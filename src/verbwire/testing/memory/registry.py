"""A schema registry in memory: the contracts of one project, each under its subject."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from verbwire.contracts.schema.model import Contract, Schema
from verbwire.errors import ContractError
from verbwire.names import Names
from verbwire.wire.avro.schema_equality import canonical
from verbwire.wire.registry.client import Registry


class MemoryRegistry(Registry):
    """Stands in for the registry that `verbwire deploy` has registered all contracts at."""

    def __init__(self, contracts: Iterable[Contract], names: Names) -> None:  # no address: nothing is connected
        self.url = self.shown = "in memory"
        self._subjects = {names.subject(each.name): json.loads(each.text) for each in contracts}
        self._ids = {subject: number for number, subject in enumerate(self._subjects, start=1)}
        self._by_id = {number: subject for subject, number in self._ids.items()}

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def find(self, subject: str, text: str) -> int | None:
        """Return the id of a schema under `subject`, or None when it is not there."""
        known = self._subjects.get(subject)
        same = known is not None and canonical(known) == canonical(json.loads(text))
        return self._ids[subject] if same else None

    def id_of(self, subject: str, text: str) -> int:
        """Return the id of a contract's schema; :class:`ContractError` for one of another project."""
        found = self.find(subject, text)
        if found is None:
            raise ContractError(f"{subject} is no contract of this project in this version")
        return found

    def find_schema(self, schema_id: int) -> Schema | None:
        """Return the schema of an id, None for one that was not given out."""
        subject = self._by_id.get(schema_id)
        return None if subject is None else self._subjects[subject]

    def subjects(self, schema_id: int) -> set[str]:
        """Return the subject of an id; empty for an unknown one."""
        return {self._by_id[schema_id]} if schema_id in self._by_id else set()

    def version(self, subject: str, schema_id: int) -> int | None:
        """Return 1: there is one version of each."""
        return 1 if self._by_id.get(schema_id) == subject else None

    def versions(self, subject: str) -> Iterator[tuple[int, Schema]]:
        """Yield id and schema of a subject's one version."""
        if subject in self._ids:
            yield self._ids[subject], self._subjects[subject]
