"""Routes librdkafka's log lines through Python's logging: by itself it writes to standard error.

Lines of ``verbwire.kafka.librdkafka`` come while a client is polled, from the thread that polls it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

LOGGED: Mapping[str, Any] = {"logger": logging.getLogger(__name__)}
"""For the properties of every client; its ``log_level`` sets how much."""
