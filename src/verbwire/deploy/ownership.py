"""Tells a project's own contexts, which it deploys, from those of others, which it reads or sends commands to."""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.contracts.checks.findings import Finding, Severity
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.errors import ConfigurationError
from verbwire.project import Project


@dataclass(frozen=True)
class Ownership:
    """Namespaces of contracts and of settings, told apart. `assumed` are imported although no setting names them."""

    owned: frozenset[str]
    imported: frozenset[str]
    assumed: frozenset[str]

    def findings(self, project: Project) -> list[Finding]:
        """What `verbwire check` tells of contexts that deploy would leave alone without having been told to."""
        name = project.settings.project
        return [
            Finding.at(
                "imported",
                Severity.WARNING,
                project.settings.schemas,
                f"{each} is taken for another project's, so it is not deployed from here: nothing here receives its "
                f'commands, and its name does not begin with {name}. Say whose it is: owned = ["{each}"] or '
                f'imported = ["{each}"] in [tool.verbwire]',
            )
            for each in sorted(self.assumed)
        ]


def ownership(project: Project) -> Ownership:
    """Return whose contexts the contracts are: this project's are those it receives, and those called after it.

    Settings `owned` and `imported` say otherwise; :class:`ConfigurationError` where they contradict each other or the
    code.
    """
    settings = project.settings
    namespaces = {contract.namespace for contract in project.catalog}
    received = {each.namespace for each in project.declared.values() if isinstance(each, Aggregate | Job)}
    received |= {each.namespace for each in project.processes if each.namespace}
    imported = set(settings.imported)
    if both := sorted(imported & (received | set(settings.owned))):
        raise ConfigurationError(
            f"imported (VERBWIRE_IMPORTED) names {', '.join(both)}, which this project receives or owns: remove it"
        )
    own = {each for each in namespaces if f"{each}.".startswith(f"{settings.project}.")}
    owned = ((own | received | set(settings.owned)) & namespaces) - imported
    others = namespaces - owned
    return Ownership(frozenset(owned), frozenset(others | imported), frozenset(others - imported))
