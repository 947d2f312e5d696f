"""Who may see which rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from verbwire import Principal


def own_unless(scope: str, field: str) -> Callable[[Principal], Mapping[str, Any]]:
    """Let somebody see the rows whose `field` names them, or all of them by a scope."""

    def only(asker: Principal) -> Mapping[str, Any]:
        return {} if scope in asker.scopes else {field: asker.actor}

    return only
