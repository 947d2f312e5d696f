"""Imports what the `embedded` extra installs, with advice when it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from verbwire.errors import ConfigurationError

_INSTALL = "pip install 'verbwire[embedded]'"


def extra(module: str) -> Any:
    """Import a module of the `embedded` extra. Untyped, as those libraries are to us.

    Raises :class:`ConfigurationError` with the line to run when it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as missing:
        raise ConfigurationError(
            f"the embedded Kafka needs the package {module.partition('.')[0]!r}: run `{_INSTALL}`"
        ) from missing
