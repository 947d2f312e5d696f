"""Assigns roles to Kafka principals (``[tool.verbwire.principals]``), and derives their ACLs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from verbwire.acls.model import Acl, require_principal
from verbwire.acls.roles import ProjectResources, permissions_of
from verbwire.errors import ConfigurationError

_HOW = (
    'name them in [tool.verbwire.principals] (worker = "User:shop-worker"), VERBWIRE_PRINCIPALS, or with '
    "--principal worker=User:shop-worker"
)


@dataclass(frozen=True, order=True)
class RoleAssignment:
    """A role, and one of those who have it."""

    role: str
    principal: str


def assignments(settings: Mapping[str, str], flags: Iterable[str] = ()) -> list[RoleAssignment]:
    """Return the roles' principals: those of the settings, or of flags like ``worker=User:ann`` in their place.

    Several principals are joined by ``;``, as in Kafka's ``super.users``: a distinguished name has commas.
    """
    chosen: dict[str, list[str]] = {role: _split(text) for role, text in settings.items()}
    named: dict[str, list[str]] = {}
    for flag in flags:
        role, sign, text = flag.partition("=")
        if not sign:
            raise ConfigurationError(f"--principal {flag!r}: write role=principal, like worker=User:shop-worker")
        named.setdefault(role, []).extend(_split(text))
    every = {**chosen, **named}
    return sorted(RoleAssignment(role, require_principal(each)) for role, those in every.items() for each in those)


def acls_of(assigned: Iterable[RoleAssignment], resources: ProjectResources) -> set[Acl]:
    """Return the ACLs of all that are assigned; :class:`ConfigurationError` where none is, or for an unknown role."""
    found = {Acl(each.principal, it) for each in assigned for it in permissions_of(each.role, resources)}
    if not found:
        raise ConfigurationError(f"no principal has a role: {_HOW}")
    return found


def _split(text: str) -> list[str]:
    return [each.strip() for each in text.split(";") if each.strip()]
