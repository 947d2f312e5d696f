"""Everything verbwire raises, in one tree; catch wide or narrow.

::

    VerbwireError
    ├── ConfigurationError       a setting is missing or wrong: change it and start again
    ├── ContractError            a schema, or code that disagrees with one: fix it, `verbwire check` tells where
    │   └── WrongVerbError       published a command, sent an event, ...
    ├── MessageError             this one message cannot be written or read: it would fail the same way again
    │   ├── UnkeyableError       its key is null, empty or of a type that has no bytes
    │   ├── UnencodableError     its fields do not fit the schema, or it is larger than a record may be
    │   └── UndecodableError     bytes that are not a message this topic may hold
    ├── DeliveryError            the broker did not take a message; it may be sent again with the same id
    ├── UnavailableError         broker, registry or workers cannot be reached now: retryable
    │   ├── RegistryUnavailableError  it is the registry
    │   ├── NotAuthorizedError   Kafka's ACLs deny it; retryable once an operator has written them
    │   └── OutcomeUnknownError  no outcome of an asked command yet: ask for it again, with the same id or its token
    ├── ClosedError              the client was closed: make a new one
    ├── QueryError               a query was refused, or failed; `status` and `code` are those of the HTTP response
    │   ├── ParkedError          records of this key wait for an operator: ask for the row before them, with `stale`
    │   ├── NotFoundError        there is no row under this key, or none that this principal may see
    │   ├── NotAllowedError      the token is missing or refused, or lacks a scope that the query requires
    │   └── BadQueryError        the query is invalid: fix its parameters
    ├── DeployError              topics or schemas on the cluster contradict the contracts
    ├── RebuildError             a rebuild is refused, or cannot go on; the message says why and what is as it was
    ├── EngineError              a worker cannot go on with a partition, or at all
    │   ├── FencedError          this worker lost its partitions; the new owner does the work
    │   └── NewerSchemaError     a row was written with a newer schema than this code has: newer code goes on with it
    └── StackError               the embedded Kafka or registry did not start, or died

A refused command is not in this tree: :class:`verbwire.Rejected` is a value. Nor is :class:`Requeue`: it is a signal.
"""

from __future__ import annotations

__all__ = [
    "BadQueryError",
    "ClosedError",
    "ConfigurationError",
    "ContractError",
    "DeliveryError",
    "DeployError",
    "EngineError",
    "FencedError",
    "MessageError",
    "NewerSchemaError",
    "NotAllowedError",
    "NotAuthorizedError",
    "NotFoundError",
    "OutcomeUnknownError",
    "ParkedError",
    "QueryError",
    "RebuildError",
    "RegistryUnavailableError",
    "Requeue",
    "StackError",
    "UnavailableError",
    "UndecodableError",
    "UnencodableError",
    "UnkeyableError",
    "VerbwireError",
    "WrongVerbError",
]


class VerbwireError(Exception):
    """The root of the tree. Every message says what to do."""


class ConfigurationError(VerbwireError):
    """A setting is missing or wrong; the message names the key and the environment variable."""


class ContractError(VerbwireError):
    """A contract, or code that claims to follow one, is wrong; the message names file and field."""


class WrongVerbError(ContractError):
    """The verb does not fit the kind: commands are sent, events are published, queries are asked."""


class MessageError(VerbwireError):
    """One message cannot be written or read; it would fail the same way again."""


class UnkeyableError(MessageError):
    """The key field is null, empty, or of a type that has no agreed bytes."""


class UnencodableError(MessageError):
    """The fields do not fit the schema, or the record is larger than the topic takes."""


class UndecodableError(MessageError):
    """The bytes are not a message that this topic may hold."""


class DeliveryError(VerbwireError):
    """The broker did not acknowledge a message; sending it again with the same id is safe."""


class UnavailableError(VerbwireError):
    """Broker or registry cannot be reached now; trying again may help."""


class RegistryUnavailableError(UnavailableError):
    """The schema registry does not answer now, or not with what it has given out itself; trying again may help."""


class NotAuthorizedError(UnavailableError):
    """Kafka's ACLs deny what was asked for; the message names the ACL and the command that writes it."""


class OutcomeUnknownError(UnavailableError):
    """The outcome of a command did not come in time; the command may have been carried out, or may still be.

    `token` is for ``Client.resume``, in any process; None when the broker had not acknowledged the command either:
    then send it again with the same `id`, which is safe in any case.
    """

    def __init__(self, command: str, id: str, token: str | None, seconds: float | None) -> None:
        how = "resume its token, or ask" if token else "it is not acknowledged by the broker either: ask"
        super().__init__(f"no outcome of {command} {id} within {seconds} s: wait again, {how} again with the same id")
        self.id = id
        self.token = token


class ClosedError(VerbwireError):
    """The client was closed and takes no more messages; trying again is useless, a new client takes them."""


class QueryError(VerbwireError):
    """A query was refused, or failed in the worker; the message is that of its HTTP response."""

    def __init__(self, text: str, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class ParkedError(QueryError):
    """Records of this key wait for an operator, since one of them cannot be handled: they are not in its row."""


class NotFoundError(QueryError):
    """There is no such row, or none that this principal may see."""


class NotAllowedError(QueryError):
    """The token is missing or refused, or lacks a scope that the query requires."""


class BadQueryError(QueryError):
    """The query is invalid: no worker knows it, or one of its fields; fix its parameters.

    A responder raises it with a text alone, for what its contract cannot tell.
    """

    def __init__(self, text: str, status: int = 400, code: str = "bad_parameter") -> None:
        super().__init__(text, status, code)


class DeployError(VerbwireError):
    """What stands on the cluster contradicts the contracts; nothing was changed."""


class RebuildError(VerbwireError):
    """A rebuild is refused, or a step of it was not done; what serves is as it was before."""


class EngineError(VerbwireError):
    """A worker cannot go on with a partition, or at all."""


class FencedError(EngineError):
    """This worker no longer owns the partitions; their new owner does the work again."""


class NewerSchemaError(EngineError):
    """Rows were written with a newer version of their schema: written back by this code they would lose what it added.

    Only the partition that holds them is stopped, until a worker whose code has that version owns it.
    """


class StackError(VerbwireError):
    """The embedded Kafka or registry did not start, or died; the message ends with its log's last lines."""


class Requeue(BaseException):
    """A signal, no error: a job's handler leaves its command undone, for another worker or another time.

    ``raise context.requeue()``. Not an :class:`Exception`, as :class:`asyncio.CancelledError` is none: a handler's own
    ``except Exception`` around its effects would take it for one of theirs, and the command for done.
    """
