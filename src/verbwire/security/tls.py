"""Files of TLS that are renewed while processes run, and whom a client believes by one of them.

Workers ask each other with :class:`Authorities`, and clients ask workers.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from pathlib import Path
from typing import TypeAlias

from verbwire.errors import ConfigurationError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0  # between two looks at the authorities
_State: TypeAlias = tuple[int, int, int] | None


class FileWatch:
    """Says when files have changed: once, as soon as they look alike twice, since they may still be being written."""

    def __init__(self, *files: Path) -> None:
        self._files = files
        self._seen = self._changing = self._states()

    def changed(self) -> bool:
        """Whether they are others than they were, and have been so at the last look already."""
        now = self._states()
        if now == self._seen or now != self._changing:
            self._changing = now
            return False
        self._seen = now
        return True

    def _states(self) -> tuple[_State, ...]:
        return tuple(map(_state, self._files))


class Authorities:
    """The authorities in `file` (PEM, one or several), or those of the system where it is None. From any thread.

    One that is added to the file is believed within seconds. One that is taken out is believed until the process ends:
    connections under way would have to be judged again.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._due = time.monotonic() + _LOOK_SECONDS
        if file is not None:
            self._watch = FileWatch(file)
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            _load(file, self._context)

    def context(self) -> ssl.SSLContext:
        """Return the context of a client: it verifies the certificate, and that it is of the host that is asked.

        Always the same; it looks at the file now and then, so it should be asked for before each request.
        """
        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context()
            elif self._file is not None and time.monotonic() > self._due:
                self._look(self._file, self._context)
            return self._context

    def _look(self, file: Path, context: ssl.SSLContext) -> None:
        self._due = time.monotonic() + _LOOK_SECONDS
        if not self._watch.changed():
            return
        try:
            _load(file, context)
        except ConfigurationError as error:
            log.error("%s; the authorities read before stay trusted", error)


def advice_of(error: Exception) -> str:
    """Return what to do where a connection failed since a certificate was not believed; empty where it was not that."""
    if "CERTIFICATE_VERIFY_FAILED" not in str(error):
        return ""
    return "name the authority that has signed its certificate in http_tls_ca (VERBWIRE_HTTP_TLS_CA)"


def _load(file: Path, context: ssl.SSLContext) -> None:
    try:
        context.load_verify_locations(file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"http_tls_ca (VERBWIRE_HTTP_TLS_CA): {file} holds no certificates that can be read (PEM): {error}"
        ) from error


def _state(file: Path) -> _State:
    """Return what changes whenever a file is written or replaced, also behind a link; None while it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
