"""Who may see which rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verbwire import Principal


def own_unless(scope: str, principal: Principal, field: str) -> Mapping[str, Any]:
    """Show the rows whose `field` names the principal, or all of them to one with a scope."""
    return {} if scope in principal.scopes else {field: principal.actor}
