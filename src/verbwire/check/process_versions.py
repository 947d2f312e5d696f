"""``verbwire check --deployed``: how many instances of each version of a process are under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from verbwire.contracts.checks.findings import Finding, Severity
from verbwire.declarations.process import Process
from verbwire.errors import UnavailableError
from verbwire.project import Project

if TYPE_CHECKING:
    from verbwire.inspection.reading.cluster import OpenCluster


def instances_left(project: Project) -> list[Finding]:
    """Return what is to be said of the processes' versions; reads their changelogs.

    An error where instances are under way whose version is not declared: they stop their partitions.
    """
    from verbwire.inspection.reading.cluster import open_cluster

    if not project.processes:
        return []
    with open_cluster(project) as cluster:
        return [found for each in project.processes for found in told(each, _counted(cluster, each))]


def _counted(cluster: OpenCluster, process: Process[Any]) -> Counter[int]:
    from verbwire.wire.records.changelog import MARK
    from verbwire.wire.records.process_instances import version_of

    names = cluster.codec.names
    versions: dict[bytes, int] = {}
    try:
        records = cluster.records(names.changelog(names.group(process.group), process.table))
    except UnavailableError:  # of a process that is not deployed yet
        return Counter()
    for message in records:
        key = message.key() or MARK
        if message.value() is None:
            versions.pop(key, None)
        else:
            versions[key] = version_of(message.headers() or ())
    return Counter(versions.values())


def told(process: Process[Any], left: Mapping[int, int]) -> Iterator[Finding]:
    """Yield what is to be said of a process that has so many instances of each version."""
    declared = {each.version for each in process.versions}
    for version in sorted({*left, *declared}):
        count = left.get(version, 0)
        if version not in declared:
            text = (
                f"{count:,} instances of version {version} are under way, and it is not declared: they stop their "
                f"partitions. Declare Process({process.group!r}, ..., version={version}) with its handlers beside it"
            )
            yield Finding.at("version-undeclared", Severity.ERROR, process.group, text)
        elif version < process.version:
            what = f"{count:,} instances are under way" if count else "no instance is left: its declaration may go"
            yield Finding.at("version-left", Severity.INFO, process.group, f"version {version}: {what}")
