"""Turns Kafka's authorization errors into texts that name the missing ACL and how it is written."""

from __future__ import annotations

from confluent_kafka import KafkaError

from verbwire.errors import NotAuthorizedError, UnavailableError

_DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)


def is_denied(error: KafkaError) -> bool:
    """Whether an ACL is missing."""
    return error.code() in _DENIED


def denied(operation: str, resource: str) -> str:
    """Return the sentence for an operation on a resource, like ``TOPIC shop.orders.events``."""
    return (
        f"Kafka's ACLs do not let us {operation} {resource}: give this principal a role that may (`verbwire acls` "
        "lists them) and write it with `verbwire deploy --acls`"
    )


def said(error: KafkaError, operation: str, resource: str) -> str:
    """Return an error as text; where an ACL is missing, which one."""
    return denied(operation, resource) if is_denied(error) else str(error.str())


def refuses(error: Exception) -> bool:
    """Whether an error of aiokafka's means the same; its classes are called after Kafka's codes."""
    return type(error).__name__.endswith("AuthorizationFailedError")


def unavailable(error: KafkaError, operation: str, resource: str, otherwise: str) -> UnavailableError:
    """Return :class:`NotAuthorizedError` where an ACL is in the way, else UnavailableError after these words."""
    if is_denied(error):
        return NotAuthorizedError(denied(operation, resource))
    return UnavailableError(f"{otherwise}: {error.str()}")
