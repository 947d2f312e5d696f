"""Sets up logging: to standard error, as text or as JSON, an object a line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from verbwire.observability.log_entries import OneEntry
from verbwire.observability.log_fields import log_fields
from verbwire.redaction import without_secrets


class JsonFormatter(logging.Formatter):
    """Writes time (RFC 3339, UTC), level, logger, message and, where there is one, the exception with its traceback.

    Beside them the thread and, as far as it knows, what the line belongs to (`log_fields`): worker, group, handler,
    topic, partition, offset, message_id, correlation_id, causation_id, trace_id, span_id. It is the thread that logs
    which knows: of lines that go through a queue to another thread they are left out.

    Passwords in addresses are masked. One line of ASCII whatever is in them: a newline, or what would steer a terminal,
    is an escape (RFC 8259).
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            said["stack"] = self.formatStack(record.stack_info)
        fields = {"thread": record.threadName, **log_fields()}
        return json.dumps({name: without_secrets(text) for name, text in said.items()} | fields)


def set_up_logging(level: str = "info", form: str = "text") -> None:
    """Log verbwire's own lines from `level` on, those of libraries from warnings on; `form` is ``text`` or ``json``.

    Warnings of Python's are lines of the log, too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else OneEntry())
    own = getattr(logging, level.upper())
    logging.basicConfig(level=max(own, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger("verbwire").setLevel(own)
    logging.captureWarnings(True)


def quieten() -> None:
    """Log warnings only, unless somebody has asked for more than is usual: for commands that tell how far they are."""
    own = logging.getLogger("verbwire")
    if own.level > logging.DEBUG:
        own.setLevel(max(own.level, logging.WARNING))


def is_json() -> bool:
    """Whether this process logs JSON."""
    return any(isinstance(each.formatter, JsonFormatter) for each in logging.getLogger().handlers)
