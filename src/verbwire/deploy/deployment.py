"""Makes topics and schemas on the cluster what the contracts say; the only place that creates either.

Idempotent, and careful: what contradicts the contracts is found before anything is changed. Settings of existing
topics that an operator has tuned are reported and left alone, since a shorter retention would delete their records.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from contextlib import closing

from verbwire.contracts.schema.model import Catalog
from verbwire.deploy.group_plan import GroupPlan, internal_contracts
from verbwire.deploy.report import DeployReport
from verbwire.deploy.schemas import RegistrySchemas
from verbwire.deploy.target import Target
from verbwire.deploy.topics import ClusterTopics
from verbwire.errors import DeployError
from verbwire.messages import Kind
from verbwire.wire.registry.client import Registry


def deploy(
    target: Target,
    catalog: Catalog,
    groups: Iterable[GroupPlan],
    owned: Iterable[str] | None = None,
    retired: Container[str] = (),
    dry_run: bool = False,
) -> DeployReport:
    """Create the topics and register the schemas of the `owned` namespaces (default: all of the catalog).

    A `dry_run` changes nothing and reports what would be; the registry judges only where its level is right already.

    A schema is compared with all its versions by our own rules, beside the registry's. An event or command of a
    namespace that a group receives, which the registry knows and the catalog does not, is to be among those `retired`.
    :class:`DeployError` lists everything that contradicts the contracts; nothing was changed then. A deployment
    that is interrupted is completed by the next one. :class:`UnavailableError` when broker or registry are silent.
    """
    namespaces = {contract.namespace for contract in catalog} if owned is None else set(owned)
    groups, cluster = list(groups), ClusterTopics(target)
    with closing(Registry(target.registry, target.registry_conf)) as registry:
        schemas = RegistrySchemas(registry, target.names, retired, dry_run)
        return _deploy(cluster, schemas, catalog, groups, namespaces, dry_run)


def _deploy(
    cluster: ClusterTopics,
    schemas: RegistrySchemas,
    catalog: Catalog,
    groups: Collection[GroupPlan],
    namespaces: set[str],
    dry_run: bool,
) -> DeployReport:
    # 1. What should stand there, and what contradicts it.
    topics, problems = cluster.plan(catalog, groups, namespaces)
    problems += schemas.plan(catalog, namespaces, internal_contracts(groups))
    problems += schemas.missed(
        catalog,
        {each for group in groups if group.reads is Kind.COMMAND for each in group.namespaces}
        | {each for group in groups for each in group.receives},
    )
    if problems:
        schemas.undo()
        raise DeployError("nothing was changed:\n" + "\n".join(f"- {problem}" for problem in problems))
    if dry_run:
        created, registered = cluster.missing(topics), schemas.new()
    else:
        # 2. Schemas first: a topic without them would be of no use to anybody.
        registered = schemas.register()
        # 3. Topics.
        created = cluster.create(topics)
    planned = len(topics) + len(schemas.contracts)
    return DeployReport(
        topics=tuple(created),
        schemas=tuple(registered),
        levels=tuple(schemas.levels),
        notes=(*cluster.notes, *schemas.notes, *schemas.strange(catalog, namespaces)),
        unchanged=planned - len(created) - len(registered),
        dry_run=dry_run,
        planned=frozenset(topic.name for topic in topics),
        undeclared=tuple(schemas.undeclared(catalog, namespaces)),
        versions=schemas.versions,
    )
