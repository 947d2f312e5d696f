"""The table of problem types: every code that HTTP answers with, its status, what it means and what the client does.

The OpenAPI document and docs/http-problems.md are made of it. What a receiver rejects has codes of its own, out of
its contract, and the status 409.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class ProblemType(NamedTuple):
    """A kind of problem (RFC 9457, section 3.1.1). The answer's `detail` says what was wrong with this request."""

    code: str
    status: int
    title: str
    advice: str


# 400: the request is wrong, and will be whenever it is sent
AMBIGUOUS_COMMAND = ProblemType(
    "ambiguous_command", 400, "Several commands share this short name.", "Use one of the full names in `choices`."
)
AMBIGUOUS_QUERY = ProblemType(
    "ambiguous_query", 400, "Several queries share this short name.", "Use one of the full names in `choices`."
)
AMBIGUOUS_TABLE = ProblemType(
    "ambiguous_table", 400, "Several tables share this short name.", "Use one of the full names in `choices`."
)
BAD_BODY = ProblemType("bad_body", 400, "The body does not say what to do.", "Correct it as `detail` says.")
BAD_CORRELATION_ID = ProblemType(
    "bad_correlation_id",
    400,
    "`Verbwire-Correlation-Id` cannot be an id.",
    "Send 1 to 200 printable ASCII characters without spaces.",
)
BAD_CURSOR = ProblemType(
    "bad_cursor",
    400,
    "The cursor does not belong to this list.",
    "Take the one in `next`, with the same parameters, or start without.",
)
BAD_FRESHNESS = ProblemType(
    "bad_freshness", 400, "`Verbwire-Freshness` has an unknown value.", "Send `complete` or `stale`, or leave it out."
)
BAD_HOST = ProblemType(
    "bad_host", 400, "`Host` is missing, repeated, or no host.", "Send it once: a host, with or without a port."
)
BAD_IDEMPOTENCY_KEY = ProblemType(
    "bad_idempotency_key", 400, "`Idempotency-Key` cannot be a key.", "Send it in the form that `detail` gives."
)
BAD_KEY = ProblemType("bad_key", 400, "The path holds no key of this table.", "Write the key as `detail` says.")
BAD_NAME = ProblemType("bad_name", 400, "The name in the path is not UTF-8.", "Percent-encode its UTF-8.")
BAD_PAGE = ProblemType(
    "bad_page",
    400,
    "`page` or `page_size` is out of range, or `page` goes with a cursor.",
    "Send numbers in range, and `page` or `cursor`, not both.",
)
BAD_PARAMETER = ProblemType(
    "bad_parameter", 400, "A parameter does not fit the contract.", "Correct the one in `field` as `detail` says."
)
BAD_PARTITIONS = ProblemType(
    "bad_partitions", 400, "A worker asked another for partitions that do not exist.", "Only workers send these."
)
BAD_POSITION = ProblemType(
    "bad_position",
    400,
    "`Verbwire-Position` is malformed, or names a position that does not exist.",
    "Send what an answer returned; after a topic was created anew, start without.",
)
BAD_QUERY = ProblemType("bad_query", 400, "The query string cannot be decoded.", "Percent-encode its UTF-8.")
BAD_TOKEN = ProblemType(
    "bad_token", 400, "The outcome's token is not UTF-8.", "Take the path from `Location`, unchanged."
)
BAD_TTL = ProblemType("bad_ttl", 400, "`Verbwire-Ttl` is no duration.", "Send seconds, more than 0.")
BAD_TIME = ProblemType(
    "bad_time",
    400,
    "`Verbwire-At` or `Verbwire-After` is no time for a command, or both are there.",
    "Send one of both, as `detail` says.",
)
NOT_SCHEDULABLE = ProblemType(
    "not_schedulable", 400, "The command is not sent for later.", 'Its contract has to say `"schedulable": true`.'
)
TOO_LATE = ProblemType("too_late", 409, "The command has been delivered.", "Read its outcome; undo it by another one.")
NOT_SCHEDULED = ProblemType(
    "not_scheduled",
    404,
    "No command of this id is scheduled under this key, nor was one in the last 7 days.",
    "Take the path from `Location`, unchanged.",
)
CUT_OFF = ProblemType("cut_off", 400, "The body ended before its `Content-Length`.", "Send it again.")
NOT_HTTP = ProblemType(
    "not_http", 400, "This is no HTTP/1.1 request.", "Use an HTTP/1.1 client, over TLS where it is on."
)
NOT_JSON = ProblemType("not_json", 400, "The body is not JSON.", "Send JSON in UTF-8.")
NOT_THE_CONTRACT = ProblemType(
    "not_the_contract", 400, "The body does not fit the command's contract.", "Correct `field` as `detail` says."
)
OUT_OF_BOUNDS = ProblemType(
    "out_of_bounds", 400, "A field is outside the bounds of its contract.", "Correct `field` as `detail` says."
)
PAGE_TOO_DEEP = ProblemType("page_too_deep", 400, "`page` reaches too far.", "Follow `next` instead.")
PAGE_TOO_LARGE = ProblemType(
    "page_too_large",
    400,
    "The rows asked for are too many bytes.",
    "Ask for fewer with `page_size`, and follow `next`.",
)
REPEATED_HEADER = ProblemType("repeated_header", 400, "A header stands there twice.", "Send it once.")
REPEATED_NAME = ProblemType("repeated_name", 400, "An object of the body repeats a name.", "Send each name once.")
REPEATED_PARAMETER = ProblemType("repeated_parameter", 400, "A parameter is repeated.", "Send it once.")
UNKNOWN_PARAMETER = ProblemType(
    "unknown_parameter", 400, "There is no such parameter.", "Use those that `detail` or the OpenAPI document lists."
)
UNKNOWN_TOPIC = ProblemType(
    "unknown_topic", 400, "`Verbwire-Position` names a topic of no table.", "Send what an answer returned."
)

# 401, 403: who asks
UNAUTHENTICATED = ProblemType(
    "unauthenticated",
    401,
    "The credentials are missing or invalid.",
    "Send `Authorization: Bearer` with a valid token.",
)
FORBIDDEN = ProblemType(
    "forbidden", 403, "The principal may not do this.", "Get a token with the scopes that `detail` names."
)

# 404 and others: there is no such thing
NO_SUCH_COMMAND = ProblemType("no_such_command", 404, "No command has this name.", "See `GET /openapi.json`.")
NO_SUCH_OUTCOME = ProblemType(
    "no_such_outcome", 404, "The principal has no such outcome.", "Take the path from `Location`, unchanged."
)
NO_SUCH_PAGE = ProblemType("no_such_page", 404, "Nothing has this path.", "See `GET /openapi.json`.")
NO_SUCH_QUERY = ProblemType("no_such_query", 404, "No query has this name.", "See `GET /openapi.json`.")
NO_SUCH_ROW = ProblemType(
    "no_such_row", 404, "The table has no row under this key.", "With `behind`: ask again, the table is catching up."
)
NO_SUCH_TABLE = ProblemType("no_such_table", 404, "No table has this name.", "See `GET /tables`.")
NOT_FOUND = ProblemType(
    "not_found",
    404,
    "There is nothing that the query asks for, or nothing that the principal may see.",
    "With `behind`: ask again, the table is catching up.",
)
NOTHING_THERE = ProblemType(
    "nothing_there", 404, "What an operator asked for does not exist, or cannot be done.", "Do as `detail` says."
)
NOT_DONE = ProblemType(
    "not_done",
    409,
    "A step of a rebuild is refused, or was not done; what serves is as it was.",
    "Do as `detail` says; a step may be taken again.",
)
METHOD_NOT_ALLOWED = ProblemType("method_not_allowed", 405, "The path has other methods.", "Use one of `Allow`.")
OUTCOME_GONE = ProblemType(
    "outcome_gone", 410, "The outcome is no longer kept: seven days are over.", "Look at what the command changed."
)

# The size and form of what was sent, and how fast it came
TOO_SLOW = ProblemType("too_slow", 408, "Head or body came too slowly.", "Send it again, faster.")
LENGTH_REQUIRED = ProblemType("length_required", 411, "The body's length is missing.", "Send `Content-Length`.")
TOO_LARGE = ProblemType("too_large", 413, "The body, or the message in it, is too large.", "Keep less in one command.")
TARGET_TOO_LONG = ProblemType("target_too_long", 414, "Path and query are too long.", "Ask for less at once.")
UNSUPPORTED_ENCODING = ProblemType(
    "unsupported_encoding", 415, "The body is compressed.", "Send it without `Content-Encoding`."
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported_media_type", 415, "The body is not declared as JSON.", "Send `Content-Type: application/json`."
)
HEAD_TOO_LARGE = ProblemType("head_too_large", 431, "The header is too large.", "Send fewer or shorter fields.")
ID_REUSED = ProblemType(
    "id_reused", 422, "The idempotency key belongs to another command.", "Give every command a key of its own."
)
TOO_MANY = ProblemType(
    "too_many", 429, "Too many requests, the principal's or in total.", "Ask again after `Retry-After`."
)

# 500, 504: what became of the command or the request
BROKEN = ProblemType(
    "broken", 500, "The worker's code failed.", "Give the operator the `correlation_id`: the log has the cause."
)
FAILED = ProblemType(
    "failed", 500, "The handler failed on this command; nothing changed.", "Give the operator the command's `id`."
)
EXPIRED = ProblemType(
    "expired", 504, "The command expired before it was handled; nothing changed.", "Send it again, if it still matters."
)

# 503: the same request may succeed later
BEHIND = ProblemType(
    "behind", 503, "The table has not applied what `Verbwire-Position` names.", "Ask again after `Retry-After`."
)
BUSY = ProblemType(
    "busy",
    503,
    "The worker has no connection or thread left.",
    "Keep connections alive; ask again after `Retry-After`.",
)
CATCHING_UP = ProblemType(
    "catching_up",
    503,
    "The table is catching up, and the request accepts complete answers only.",
    "Ask again after `Retry-After`, or without `Verbwire-Freshness`.",
)
DEAD = ProblemType("dead", 503, "This process cannot recover.", "The operator restarts it.")
LEAVING = ProblemType("leaving", 503, "This worker is stopping.", "Ask another worker.")
MIXED_VERSIONS = ProblemType(
    "mixed_versions", 503, "The partition's owner runs another version.", "Ask again after `Retry-After`."
)
NO_KEYS = ProblemType(
    "no_keys", 503, "The keys of the identity provider cannot be fetched.", "Ask again after `Retry-After`."
)
NO_SCHEMA = ProblemType(
    "no_schema", 503, "The schema registry does not answer; nothing was sent.", "Ask again after `Retry-After`."
)
NOT_DEPLOYED = ProblemType(
    "not_deployed", 503, "The command's topic does not exist.", "The operator runs `verbwire deploy`."
)
NOT_READY = ProblemType(
    "not_ready",
    503,
    "A partition is being restored, moving, or stopped.",
    "Ask again after `Retry-After`; `GET /tables` has the details.",
)
NOT_TAKEN = ProblemType(
    "not_taken",
    503,
    "Kafka did not acknowledge the command in time; it may have it.",
    "Send it again with the same `Idempotency-Key`: it happens once.",
)
OWNER_UNREACHABLE = ProblemType(
    "owner_unreachable", 503, "The partition's owner does not answer.", "Ask again after `Retry-After`."
)
PARKED = ProblemType(
    "parked",
    503,
    "Records of this key wait for an operator, and are not in the row.",
    "The operator mends the handler: `verbwire parked list`. `Verbwire-Freshness: stale` gets the row before them.",
)
SOURCE_UNAVAILABLE = ProblemType(
    "source_unavailable",
    503,
    "What stands behind the query does not answer, or not in time.",
    "Ask again after `Retry-After`.",
)
STOPPED = ProblemType(
    "stopped", 503, "All partitions of this worker are stopped.", "The operator fixes the handler or skips the record."
)
UNANSWERED = ProblemType(
    "unanswered", 503, "Kafka, the schema registry or a worker did not answer.", "Ask again after `Retry-After`."
)
UNREADABLE_ROW = ProblemType(
    "unreadable_row", 503, "The worker's code cannot decode a row.", "The operator finds the cause in the log."
)


def rejection(code: str) -> ProblemType:
    """Return the type of a receiver's own rejection."""
    return ProblemType(code, 409, "The receiver rejected the command; nothing changed.", "See the command's contract.")


AMBIGUOUS = {"command": AMBIGUOUS_COMMAND, "query": AMBIGUOUS_QUERY, "table": AMBIGUOUS_TABLE}
"""By what was looked for."""
NO_SUCH = {"command": NO_SUCH_COMMAND, "query": NO_SUCH_QUERY, "table": NO_SUCH_TABLE}
"""By what was looked for."""
BAD_PATH = {"key": BAD_KEY, "name": BAD_NAME, "token": BAD_TOKEN, "id": BAD_NAME, "place": BAD_NAME, "table": BAD_NAME}
"""By the name of the part of the path."""

ALL: Sequence[ProblemType] = sorted(
    (each for each in list(vars().values()) if isinstance(each, ProblemType)), key=lambda each: (each.status, each.code)
)
"""Every problem type, by status and code."""
