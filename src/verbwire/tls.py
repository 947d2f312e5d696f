"""Whom a TLS client believes: the certificate authorities of a file that is read again when it has changed.

Workers ask each other with it, and clients ask workers.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from pathlib import Path

from verbwire.errors import ConfigurationError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0  # between two looks at the file
State = tuple[int, int, int]


class Authorities:
    """The authorities in `file` (PEM, one or several), or those of the system where it is None. From any thread.

    One that is added to the file is believed within seconds. One that is taken out is believed until the process ends:
    connections under way would have to be judged again.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._due = 0.0
        self._read: State | None = None
        if file is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._load(file, self._context)

    def context(self) -> ssl.SSLContext:
        """Return the context of a client: it verifies the certificate, and that it is of the host that is asked."""
        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context()
            elif self._file is not None and time.monotonic() > self._due:
                self._look(self._file, self._context)
            return self._context

    def _look(self, file: Path, context: ssl.SSLContext) -> None:
        self._due = time.monotonic() + _LOOK_SECONDS
        now = state_of(file)
        if now is None or now == self._read:
            return
        try:
            self._load(file, context)
        except ConfigurationError as error:
            self._read = now  # told once
            log.error("%s; those that were read before are believed on", error)

    def _load(self, file: Path, context: ssl.SSLContext) -> None:
        now = state_of(file)
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError(
                f"http_tls_ca (VERBWIRE_HTTP_TLS_CA): {file} holds no certificates that can be read (PEM): {error}"
            ) from error
        self._read, self._due = now, time.monotonic() + _LOOK_SECONDS


def state_of(file: Path) -> State | None:
    """Return what changes whenever a file is written or replaced, also behind a link; None while it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
