"""Formats log entries as text: every entry begins a line, and nothing else does."""

from __future__ import annotations

import logging

from verbwire.observability.escaping import escaped_lines
from verbwire.redaction import without_secrets

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_INDENT = "    "


class OneEntry(logging.Formatter):
    """Writes an entry so that what records and headers hold can neither begin another nor steer a terminal.

    Lines after the first, tracebacks for instance, are indented; control characters are spelled out. Passwords in
    addresses are masked, wherever they come from: librdkafka, httpx, an exception of a user's function.
    """

    def __init__(self) -> None:
        super().__init__(_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole entry."""
        return escaped_lines(without_secrets(super().format(record)), _INDENT)
