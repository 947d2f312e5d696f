"""Schemas in the registry: which are new, what a new version contradicts, and registering them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from verbwire.contracts.checks.evolution import BOTH_WAYS, gone, new_changes
from verbwire.contracts.checks.findings import Severity
from verbwire.contracts.schema.model import Catalog, Contract, Schema
from verbwire.errors import ContractError, DeployError
from verbwire.messages import Kind
from verbwire.names import Names
from verbwire.wire.records.outcomes import OUTCOME
from verbwire.wire.records.workers import WORKER
from verbwire.wire.registry.client import Registry
from verbwire.wire.registry.read_back import require_read_back

_LEVELS = {kind: "FULL_TRANSITIVE" if kind in BOTH_WAYS else "BACKWARD_TRANSITIVE" for kind in Kind}


class RegistrySchemas:
    """The schemas in the registry beside those of the contracts."""

    def __init__(self, registry: Registry, names: Names, retired: Container[str], dry_run: bool) -> None:
        self.contracts: list[Contract] = []
        self.registered: list[str] = []
        self.levels: list[str] = []
        self.notes: list[str] = []
        self.versions: dict[str, Sequence[Schema]] = {}  # of what is new, those before it
        self._registry = registry
        self._names = names
        self._retired = retired
        self._dry_run = dry_run
        self._undo: list[tuple[str, str | None]] = []
        self._new: list[Contract] = []
        self._all: list[str] | None = None

    def plan(self, catalog: Catalog, owned: set[str], internal: Iterable[Contract]) -> list[str]:
        """Find what is new, `internal` contracts among it, and return what the registry would refuse.

        A registry judges by the level that is set, so the right one is set first; :meth:`undo` takes it back.
        """
        self.contracts = [contract for contract in catalog if contract.namespace in owned]
        if any(contract.kind is Kind.COMMAND for contract in self.contracts):
            self.contracts.append(OUTCOME)
        self.contracts += internal
        problems = []
        for contract in self.contracts:
            subject, level = self._names.subject(contract.name), _LEVELS[contract.kind]
            latest = self._registry.latest(subject)
            if latest is not None:
                before = self._registry.compatibility(subject)
                if before != level:
                    self._set_level(subject, before, level)
            if latest is None or self._registry.find(subject, contract.text) is None:
                self._new.append(contract)
                self.versions[contract.name] = ()
                if latest is not None:
                    problems += self._contradictions(contract, subject, level)
        return problems

    def _set_level(self, subject: str, before: str | None, level: str) -> None:
        self.levels.append(subject)
        if not self._dry_run:
            self._registry.set_compatibility(subject, level)
            self._undo.append((subject, before))

    def _contradictions(self, contract: Contract, subject: str, level: str) -> list[str]:
        """What a new version contradicts of all before it: by our rules, and by the registry's."""
        versions = self.versions[contract.name] = self._records(subject)
        found = new_changes(versions, contract.schema)
        self.notes += [f"schema {subject}: {each.text}" for each in found if each.severity is not Severity.ERROR]
        errors = [each.text for each in found if each.severity is Severity.ERROR]
        judges = not (self._dry_run and subject in self.levels)  # by the level that is set
        if not errors and judges and not self._registry.is_compatible(subject, contract.text):
            errors = ["the registry rejects it; compare it with the versions there"]
        return [f"schema {subject} is not {level}: {each}" for each in errors]

    def missed(self, catalog: Catalog, received: set[str]) -> list[str]:
        """Return what is to be said of messages that the registry knows and the catalog does not.

        Of the namespaces alone whose commands are received here: of others a catalog may hold a part, to hear it.
        """
        ours = {self._names.subject(namespace): namespace for namespace in received}
        newest: dict[str, Schema] = {}
        for subject in self._subjects():
            namespace, _, short = subject.rpartition(".")
            name = f"{ours.get(namespace)}.{short}"
            if namespace in ours and name not in catalog.contracts and name not in self._retired:
                schema = self._registry.latest(subject)
                newest |= {name: schema} if schema is not None and _is_record(schema) else {}
        return [change.text for change in gone(newest, catalog, self._retired).values()]

    def _records(self, subject: str) -> list[Schema]:
        """The versions of a subject, the newest first, leaving out any that is no record."""
        return [schema for _, schema in self._registry.versions(subject) if _is_record(schema)]

    def undo(self) -> None:
        """Take back the levels that :meth:`plan` had to set."""
        for subject, before in self._undo:
            self._registry.reset_compatibility(subject, before)

    def new(self) -> list[str]:
        """Return the subjects that get a new version."""
        return [self._names.subject(contract.name) for contract in self._new]

    def strange(self, catalog: Catalog, owned: set[str]) -> list[str]:
        """Return what is to be noted of the contracts of others: copies that are none of their versions.

        Events are read by the rules of resolution; a command is sent in a version that is registered, or not at all.
        """
        others = [(self._names.subject(each.name), each.text) for each in catalog if each.namespace not in owned]
        unknown = [subject for subject, text in others if self._registry.find(subject, text) is None]
        return unknown and [
            f"other projects' contracts, in a version that those have not registered: {', '.join(unknown)}; copy their "
            "files again, or wait for their deployment: a command among them cannot be sent until then"
        ]

    def undeclared(self, catalog: Catalog, owned: set[str]) -> list[str]:
        """Return the subjects of the owned namespaces that no contract is about any more."""
        ours = {self._names.subject(namespace) for namespace in owned}
        known = {self._names.subject(contract.name) for contract in catalog}
        return sorted(each for each in self._subjects() if each.rpartition(".")[0] in ours and each not in known)

    def _subjects(self) -> list[str]:
        if self._all is None:
            self._all = self._registry.all_subjects()
        return self._all

    def register(self) -> list[str]:
        """Register what is new, each subject with its level; return the subjects.

        The registry has to give back what it was given.

        Our own contract is asked back in any case: a deployment that failed for that must not succeed when run again.
        """
        for contract in self._new:
            subject = self._names.subject(contract.name)
            if subject not in self.levels:
                self._registry.set_compatibility(subject, _LEVELS[contract.kind])
            try:
                schema_id = self._registry.add(subject, contract.text)  # looked for by the plan
            except ContractError as error:
                raise DeployError(f"{error}; registered so far: {', '.join(self.registered) or 'nothing'}") from error
            self.registered.append(subject)
            require_read_back(self._registry, subject, schema_id, contract.schema)
        own = self._names.subject(WORKER.name)
        require_read_back(self._registry, own, self._registry.id_of(own, WORKER.text), WORKER.schema)
        return self.registered


def _is_record(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "record"
