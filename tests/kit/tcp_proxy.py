"""A door to another address that can be shut: for what has to happen while a server cannot be reached."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 65_536


class TcpProxy:
    """Forwards TCP connections to the host and port of `url` while it is open."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._open = True
        self._sockets: set[socket.socket] = set()
        gate = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                if gate._open:
                    with suppress(ConnectionRefusedError):  # nobody is there yet
                        gate._forward(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The same URL, through the gate."""
        port = self._server.server_address[1]
        return self._parts._replace(netloc=f"127.0.0.1:{port}").geturl()

    def shut(self) -> None:
        """Cut what is connected, and let nobody through."""
        self._open = False
        for each in list(self._sockets):
            _cut(each)

    def open(self) -> None:
        """Let connections through again."""
        self._open = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _forward(self, client: socket.socket) -> None:
        with socket.create_connection((self._parts.hostname, self._parts.port), timeout=5) as server:
            server.settimeout(None)
            both = {client, server}
            self._sockets |= both
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()
            self._sockets -= both


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    except OSError:
        pass  # cut
    finally:
        _cut(source)
        _cut(sink)


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        connection.shutdown(socket.SHUT_RDWR)
