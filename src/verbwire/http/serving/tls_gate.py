"""TLS before HTTP: a connection is one from its first moment, long before its handshake is done.

asyncio tells of a connection only then, and a client that never ends its handshake would hold a place that nobody
counts, for a minute. So asyncio's TLS protocol is itself what the server makes for each connection: it takes its place
at once, and gives it to HTTP when the handshake is done.

It also holds less. asyncio's own takes 256 KiB for every connection and leaves a circle behind for each handshake that
fails; a worker's collector comes rarely (:mod:`verbwire.worker.run`), so strangers could fill its memory with either.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from typing import Any, cast

from verbwire.http.base import limits
from verbwire.http.serving.certificate import Certificate
from verbwire.http.serving.connections import ConnectionTable, HttpConnection, Stage
from verbwire.observability.watch.throttle import Throttle

_log = logging.getLogger("verbwire.http")


class TlsGate(SSLProtocol):
    """One connection up to the end of its handshake; then `make`'s protocol takes it over, and this is its TLS."""

    max_size = limits.TLS_BUFFER
    stage = Stage.HANDSHAKE
    since = 0.0
    until = math.inf
    address = "unknown"

    def __init__(
        self,
        certificate: Certificate,
        house: ConnectionTable,
        connections: set[HttpConnection],
        make: Callable[[], asyncio.Protocol],
        throttle: Throttle[str],
    ) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            _Raised(self),
            certificate.context,
            cast(Any, None),  # nothing waits for the handshake
            server_side=True,
            ssl_handshake_timeout=math.ceil(house.limits.handshake_seconds) + 1,  # ours comes first
            ssl_shutdown_timeout=house.limits.linger_seconds,
        )
        self._house = house
        self._connections = connections
        self._make = make
        self._throttle = throttle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it where there is not even a place for health."""
        self._raw = cast(asyncio.Transport, transport)
        self.address = (transport.get_extra_info("peername") or (self.address,))[0]
        self.since = self._loop.time()
        self.until = self.since + self._house.limits.handshake_seconds
        self._connections.add(self)
        super().connection_made(transport)
        if self._house.places_left(self._connections, self) < -self._house.limits.health_connections:
            self.make_room()

    def raised(self, transport: asyncio.Transport) -> None:
        """Give the place to HTTP, which may hold no more of what is written and read than over a plain connection."""
        self._gone()
        transport.set_write_buffer_limits(limits.PIECE)
        protocol = self._make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give back the place, and all that a connection holds, even while others still refer to it."""
        super().connection_lost(exc)
        if self.stage is Stage.HANDSHAKE and isinstance(exc, ssl.SSLError):
            self._tell(exc.reason or str(exc))
        self._gone()
        if exc is not None:
            exc.__traceback__ = None  # it leads to frames that lead to it
        self._ssl_buffer, self._ssl_buffer_view = bytearray(), memoryview(b"")
        self._sslobj = None
        self._extra.clear()

    def time_is_over(self) -> None:
        """End a handshake that takes too long."""
        self.make_room()

    def make_room(self) -> None:
        """Close it at once."""
        self._gone()
        self._raw.abort()

    def shutdown(self) -> None:
        """Close it: the server stops, and nothing was asked yet."""
        self.make_room()

    def _tell(self, reason: str) -> None:
        """Say once a minute of each reason why handshakes fail: a client has no answer to read it in."""
        if self._throttle.admit(reason) is not None:
            plain = ": HTTP is TLS here, ask https:// (health checks, too)" if reason == "HTTP_REQUEST" else ""
            _log.warning("no TLS with %s: %s%s", self.address, reason, plain)

    def _gone(self) -> None:
        self.stage = Stage.GONE
        self._connections.discard(self)


class _Raised(asyncio.Protocol):
    """What TLS tells that it stands."""

    def __init__(self, gate: TlsGate) -> None:
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the gate go on."""
        self._gate.raised(cast(asyncio.Transport, transport))
