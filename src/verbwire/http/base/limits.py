"""The limits of a request: everything that a client controls and that costs memory or time has its limit here.

What HTTP's description states (sizes, pages, waits) is the same everywhere; what an installation or a test may want
otherwise is given to what it limits.
"""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem

REQUEST_LINE = 8 * 1024  # bytes of the target: 414
HEAD = 16 * 1024  # bytes of all header fields: 431
HEADER_FIELDS = 100  # 431
BODY = 1024 * 1024  # bytes: 413
SHORT = 16 * 1024  # bytes that are read, or kept, without anybody noticing
READ = 64 * 1024  # bytes that are read of a connection at once
TLS_BUFFER = 32 * 1024  # bytes that are read of a connection at once: one record, RFC 8446 section 5.1, and more
PIPELINED = 32  # requests of one connection that wait for the answer to an earlier one

KEY = 1024  # bytes of a key: 400
PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
MAX_ROW = 10_000  # how deep `page` reaches: what is skipped has to be read all the same

WAIT = 5.0  # seconds that a command waits for its outcome, unless `Prefer: wait` says otherwise: then 202
MAX_WAIT = 30  # what may be preferred
PIECE = 64 * 1024  # bytes of an answer that are written before its reader is waited for
SENDERS = 4  # threads that hand commands over to Kafka
BURST_SECONDS = 4.0  # of which a principal may send at once what it may send a second (http/access/rates.py): 429
READERS = 4  # threads that read for requests
WAITING = 512  # requests that wait for a thread: 503
LOOKUPS = 32  # of outcomes in the outcome log, at once: 429
LOOKUPS_EACH = 16  # of one principal
LOOKUP_SECONDS = 2.0  # then an outcome is told as pending
LOOKERS = 4  # threads that look at Kafka for the console
LOOKING = 32  # looks that wait for them: 503
LOOK_SECONDS = 1.5  # how old what the console is told of may be: it is found once for all who look
COSTLY_LOOK_SECONDS = 8.0  # of those that connect anew, or read many records
RECORD_SECONDS = 20.0  # that one look may read records for


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections a server takes, and how long each stage of one may last."""

    connections: int = 500  # at most; fewer where the worker may have few files open (worker/open_files.py)
    health_connections: int = 16  # more that are taken when there are so many; they may ask for health only: 503
    handshake_seconds: float = 10.0  # a connection's TLS must stand that long after its beginning, or it is closed
    head_seconds: float = 10.0  # a head must be complete that long after its first byte, or the connection's: 408
    idle_seconds: float = 30.0  # a connection is kept that long between an answer and the next request
    write_seconds: float = 30.0  # within which an answer that did not go out at once must have been read, or it is cut
    linger_seconds: float = 1.0  # that long input is discarded after a last answer, so that the client gets to read it


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How many bytes of rows one answer may have, as JSON."""

    page: int = 2 * 1024 * 1024  # it ends before the row that would exceed them, but for the first
    part: int = 512 * 1024  # that a worker may send of its share of a page, at least
    chunk: int = 256 * 1024  # that are read of a partition at once
    deep_part: int = 8 * 1024 * 1024  # of a page by number, of which others may have the rows that are skipped


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """How long a command over HTTP may take until it is Kafka's."""

    body_seconds: float = 10.0  # a body must have come that long after its head: 408
    delivery_seconds: float = 10.0  # within which Kafka must have taken it: 503


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How many requests, and how many bytes, an application serves at once, in all and `each` principal's."""

    commands: int = 400  # under way at once, from before their bodies are read: 429
    commands_each: int = 200  # of one principal; less where there are many (http/base/concurrency.py)
    queries: int = 400  # queries and all else that is no command, until the answer has been read
    queries_each: int = 200
    forwarded: int = 400  # asked by other workers on behalf of principals
    forwarded_each: int = 200
    memory: int = 128 * 1024 * 1024  # bytes of bodies, answers, and what they are made of, at once: 429
    memory_each: int = 64 * 1024 * 1024
    small: int = SHORT  # bytes of a request that are not counted
    fresh_seconds: float = 2.0  # how long a query waits for its table to apply the position bound of its client: 503
    waits: int = 200  # queries that wait for it, also forwarded ones: 429
    waits_each: int = 100
    askers: int = 2  # threads that ask Kafka on behalf of waiting requests
    readers: int = READERS  # threads that read tables
    responders: int = 8  # threads that call responders: what those take is their own business, no reader waits for them
    waiting: int = WAITING  # requests that wait for any of these: 503
    pages: PageLimits = PageLimits()


def check_body(length: bytes | None, *, chunked: bool) -> None:
    """Refuse a body that is too large before any of it is read, and one that does not say how large it is."""
    closing = {"Connection": "close"}  # what the client still sends belongs to no request
    if chunked:
        raise HttpProblem(problem_types.LENGTH_REQUIRED, "chunked bodies are not read: send Content-Length", closing)
    if length is not None and int(length) > BODY:  # the parser has let digits pass only
        detail = f"the body has {int(length)} bytes: send at most {BODY}"
        raise HttpProblem(problem_types.TOO_LARGE, detail, closing)
