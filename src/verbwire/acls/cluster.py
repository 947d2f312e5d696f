"""Reading and writing ACLs on the cluster."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from verbwire.acls.model import Acl, AclResource, Operation, Permission, told
from verbwire.errors import ConfigurationError, DeployError, UnavailableError
from verbwire.kafka.connectivity import require_kafka

_SECONDS = 30.0
_CLUSTER = "kafka-cluster"
_TYPES = {
    AclResource.TOPIC: ResourceType.TOPIC,
    AclResource.GROUP: ResourceType.GROUP,
    AclResource.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
    AclResource.CLUSTER: ResourceType.BROKER,  # librdkafka's name for it
}
_RESOURCES = {each: resource for resource, each in _TYPES.items()}
_OPERATIONS = {each.value: each for each in Operation}


class ClusterAcls:
    """The ACLs of one cluster. `kafka` are librdkafka's properties, of a principal that may alter the cluster.

    Every method raises :class:`UnavailableError` when the broker is silent, and :class:`ConfigurationError` where it
    has no authorizer, or does not let us.
    """

    def __init__(self, kafka: Mapping[str, Any]) -> None:
        require_kafka(kafka)
        self._admin = AdminClient({"log_level": 3, **kafka})
        self._brokers: list[int] = []

    def found(self) -> set[Acl]:
        """Return what stands there, as far as it is about what verbwire knows of."""
        self._require("DESCRIBE")  # librdkafka returns no ACLs, and no error, to who may not see any
        self._require_authorizer()
        anything = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
        )
        bindings = _answer(self._admin.describe_acls(anything, request_timeout=_SECONDS), "DESCRIBE")
        return {acl for each in bindings if (acl := _acl(each)) is not None}

    def _require(self, operation: str) -> None:
        cluster = _answer(
            self._admin.describe_cluster(include_authorized_operations=True, request_timeout=_SECONDS), operation
        )
        if operation not in {each.name for each in cluster.authorized_operations or ()}:
            raise _not_allowed(operation)
        self._brokers = [node.id for node in cluster.nodes]

    def _require_authorizer(self) -> None:
        """Raise where no authorizer is set; where we may not ask for a broker's settings, writing will tell."""
        resource = ConfigResource(ResourceType.BROKER, str(self._brokers[0]))
        (future,) = self._admin.describe_configs([resource], request_timeout=_SECONDS).values()
        try:
            settings = future.result()
        except KafkaException:
            return
        name = settings.get("authorizer.class.name")
        if name is not None and not name.value:
            raise _nobody_checks()

    def create(self, acls: Collection[Acl]) -> None:
        """Write them; one that is there stays as it is. :class:`DeployError` names those that were not written."""
        failed = []
        for binding, future in self._admin.create_acls([*map(_binding, acls)], request_timeout=_SECONDS).items():
            try:
                _answer(future, "ALTER")
            except DeployError as error:
                failed += [f"{each}: {error}" for each in told([acl for acl in [_acl(binding)] if acl])]
        if failed:
            raise DeployError("not all ACLs were written, write them again:\n" + "\n".join(sorted(failed)))

    def delete(self, acls: Collection[Acl]) -> None:
        """Take them away."""
        filters = [_filter(each) for each in acls]
        for future in self._admin.delete_acls(filters, request_timeout=_SECONDS).values():
            _answer(future, "ALTER")


def _answer(future: Any, operation: str) -> Any:
    try:
        return future.result()
    except KafkaException as error:
        raise _told(error.args[0], operation) from error


def _told(error: KafkaError, operation: str) -> Exception:
    if error.code() == KafkaError.SECURITY_DISABLED:
        return _nobody_checks()
    if error.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
        return _not_allowed(operation)
    if error.retriable() or error.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT):
        return UnavailableError(f"Kafka does not answer: {error.str()}")
    return DeployError(error.str())


def _nobody_checks() -> ConfigurationError:
    return ConfigurationError(
        "the brokers have no authorizer, ACLs would have no effect: set authorizer.class.name, with KRaft "
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    )


def _not_allowed(operation: str) -> ConfigurationError:
    return ConfigurationError(
        f"ACLs are for who may {operation} the CLUSTER, which Kafka does not let us: ask its administrator, "
        "`verbwire acls --script` prints what to hand over"
    )


def _acl(binding: AclBinding) -> Acl | None:
    resource, operation = _RESOURCES.get(binding.restype), _OPERATIONS.get(binding.operation.name)
    if resource is None or operation is None:
        return None
    prefixed = binding.resource_pattern_type == ResourcePatternType.PREFIXED
    permission = Permission(resource, binding.name, operation, prefixed)
    return Acl(binding.principal, permission, binding.host, binding.permission_type == AclPermissionType.ALLOW)


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(*_parts(acl))


def _filter(acl: Acl) -> AclBindingFilter:
    return AclBindingFilter(*_parts(acl))


def _parts(acl: Acl) -> tuple[Any, ...]:
    it = acl.permission
    return (
        _TYPES[it.resource],
        _CLUSTER if it.resource is AclResource.CLUSTER else it.name,
        ResourcePatternType.PREFIXED if it.prefixed else ResourcePatternType.LITERAL,
        acl.principal,
        acl.host,
        AclOperation[it.operation.value],
        AclPermissionType.ALLOW if acl.allows else AclPermissionType.DENY,
    )
