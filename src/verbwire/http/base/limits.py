"""The limits of a request: everything that a client controls and that costs memory or time has its limit here."""

from __future__ import annotations

from starlette.datastructures import Headers

from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem

REQUEST_LINE = 8 * 1024  # bytes of the target: 414
HEAD = 16 * 1024  # bytes of all header fields: 431
HEADER_FIELDS = 100  # 431
BODY = 1024 * 1024  # bytes: 413
SHORT = 16 * 1024  # bytes that are read, or kept, without anybody noticing
HANDSHAKE_SECONDS = 10.0  # a connection's TLS must stand that long after its beginning, or it is closed
TLS_BUFFER = 32 * 1024  # bytes that are read of a connection at once: one record, RFC 8446 section 5.1, and more
BODY_SECONDS = 10.0  # a body must have come that long after its head: 408
HEAD_SECONDS = 10.0  # a head must be complete that long after its first byte, or the connection's: 408
IDLE_SECONDS = 30.0  # a connection is kept that long between an answer and the next request
WRITE_SECONDS = 30.0  # within which an answer that did not go out at once must have been read, or it is cut off
LINGER_SECONDS = 1.0  # that long input is discarded after a last answer, so that the client gets to read it
PIPELINED = 32  # requests of one connection that wait for the answer to an earlier one
CONNECTIONS = 500  # at most; fewer where the worker may have few files open (worker/open_files.py)
HEALTH_CONNECTIONS = 16  # more that are taken when there are so many; they may ask for health only: 503

KEY = 1024  # bytes of a key: 400
PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
PAGE = (
    2 * 1024 * 1024
)  # bytes of a page's rows as JSON: it ends before the one that would exceed them, but for the first
PART = 512 * 1024  # bytes that a worker may send of its share of a page, at least
DEEP_PART = 8 * 1024 * 1024  # bytes of a page by number, of which others may have the rows that are skipped
CHUNK = 256 * 1024  # bytes of rows that are read of a partition at once
MAX_ROW = 10_000  # how deep `page` reaches: what is skipped has to be read all the same

WAIT = 5.0  # seconds that a command waits for its outcome, unless `Prefer: wait` says otherwise: then 202
MAX_WAIT = 30  # what may be preferred
COMMANDS = 400  # under way at once, from before their bodies are read: 429
COMMANDS_EACH = 200  # of one principal; less where there are many (http/base/concurrency.py)
QUERIES = 400  # queries and all else that is no command, until the answer has been read
QUERIES_EACH = 200
PASSED_ON = 400  # asked by other workers on behalf of principals
PASSED_ON_EACH = 200
BURST_SECONDS = 4.0  # of which a principal may send at once what it may send a second (http/access/rates.py): 429
MEMORY = 128 * 1024 * 1024  # bytes of bodies, answers, and what they are made of, at once: 429
MEMORY_EACH = 64 * 1024 * 1024
PIECE = 64 * 1024  # bytes of an answer that are written before its reader is waited for
SENDERS = 4  # threads that hand commands over to Kafka
DELIVERY_SECONDS = 10.0  # within which Kafka must have taken one: 503
LOOKUPS = 32  # of outcomes in the outcome log, at once: 429
LOOKUPS_EACH = 16  # of one principal
LOOKUP_SECONDS = 2.0  # then an outcome is told as pending

FRESH_SECONDS = 2.0  # how long a query waits for its table to apply the position bound of its client: 503

WAITS = 200  # queries that wait for it, also forwarded ones: 429
WAITS_EACH = 100  # of one principal
ASKERS = 2  # threads that ask Kafka on behalf of waiting requests
READERS = 4  # threads that read tables
RESPONDERS = 8  # threads that call responders: what those take is their own business, and no reader waits for them
WAITING = 512  # requests that wait for them: 503


def check_body(headers: Headers) -> None:
    """Refuse a body that is too large before any of it is read, and one that does not say how large it is."""
    closing = {"Connection": "close"}  # what the client still sends belongs to no request
    if "transfer-encoding" in headers:
        raise HttpProblem(problem_types.LENGTH_REQUIRED, "chunked bodies are not read: send Content-Length", closing)
    length = headers.get("content-length")
    if length is not None and int(length) > BODY:  # the parser has let digits pass only
        raise HttpProblem(problem_types.TOO_LARGE, f"the body has {length} bytes: send at most {BODY}", closing)
