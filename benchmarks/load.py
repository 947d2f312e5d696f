"""A load over HTTP: so many connections, each with one request under way, as ``wrk`` makes it.

``python -m benchmarks.load NAME SECONDS CONNECTIONS URL TARGETS [TOKEN]``; `TARGETS` is a file with one target a line,
asked for in turns. Every answer has to be a 200.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import httptools

from benchmarks.figures import Figure, percentile


class Load:
    """What all connections share."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.requests = requests
        self.taken: list[float] = []
        self.wrong: bytes | None = None


class _Connection(asyncio.Protocol):
    """Sends the next request when an answer is whole."""

    def __init__(self, load: Load, ended: asyncio.Future[None]) -> None:
        self._load = load
        self._ended = ended
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._body = body

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self._load.taken.append(now - self._began)
        if self._parser.get_status_code() != 200:
            self._load.wrong = self._body
        self._send()

    def _send(self) -> None:
        request = None if self._load.wrong is not None else next(self._load.requests, None)
        if request is None:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)


def request(url: str, what: str, token: str = "", body: bytes = b"") -> bytes:
    """Return a request; `what` is its method and target."""
    lines = [f"{what} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def for_seconds(requests: Sequence[bytes], seconds: float) -> Iterator[bytes]:
    """Yield these in turns, for so long."""
    until = time.perf_counter() + seconds
    for each in cycle(requests):
        if time.perf_counter() >= until:
            return
        yield each


async def run(url: str, requests: Iterator[bytes], connections: int) -> list[float]:
    """Return the seconds that each request took; RuntimeError with the answer where one is refused."""
    at = urlsplit(url)
    loop, load = asyncio.get_running_loop(), Load(requests)
    ends = [loop.create_future() for _ in range(connections)]
    for ended in ends:
        await loop.create_connection(partial(_Connection, load, ended), at.hostname or "", at.port or 80)
    await asyncio.gather(*ends)
    if load.wrong is not None:
        raise RuntimeError(f"{url} answered {load.wrong[:500]!r}")
    return load.taken


def main(name: str, seconds: str, connections: str, url: str, targets: str, token: str = "") -> None:
    """Tell the figure of one load; the CPU is the server's, which somebody else has to look at."""
    lines = Path(targets).read_text("utf-8").splitlines()
    began = time.perf_counter()
    requests = for_seconds([request(url, f"GET {each}", token) for each in lines], float(seconds))
    taken = asyncio.run(run(url, requests, int(connections)))
    passed = time.perf_counter() - began
    more = {f"p{n}_ms": percentile(taken, n / 100) * 1000 for n in (50, 99)}
    Figure(name, len(taken), passed, 0.0, more).tell()


if __name__ == "__main__":
    main(*sys.argv[1:])
