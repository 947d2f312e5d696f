"""Puts the console together: its page, and what it is answered from."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from verbwire.http.app import Part
from verbwire.http.console.api import Act, ConsoleApi, Look
from verbwire.http.console.catalog import catalog_of
from verbwire.http.console.cluster_looks import ClusterLooks
from verbwire.http.console.dead_letters import ConsoleDeadLetters, DiscardWish, ExportWish, FindWish, RequeueWish
from verbwire.http.console.instances import CancelWish, ConsoleInstances, RetryWish
from verbwire.http.console.pages import ConsolePages
from verbwire.http.console.parked import ConsoleParking, FindParkedWish, RetryParkedWish, SkipWish
from verbwire.http.console.rebuilds import ConsoleRebuilds, StepWish
from verbwire.http.console.record_looks import RecordLooks
from verbwire.http.console.scheduled import CancelScheduledWish, ConsoleScheduled, FindScheduledWish
from verbwire.project import Project
from verbwire.worker.services import Services

_COSTLY = (
    *("status", "rejections", "processes", "dead-letters", "parked", "scheduled", "rebuilds", "rebuilds/{name}/diff"),
)


def console_parts(project: Project, services: Services) -> Sequence[Part]:
    """Return what serves the console; nothing where ``http_console`` is off."""
    settings = services.settings
    if not settings.http_console:
        return ()
    dead_letters = ConsoleDeadLetters(project, services.connection(settings.kafka), services.codec.registry)
    instances = ConsoleInstances(project, services.connection(settings.kafka))
    parked = ConsoleParking(project, services.connection(settings.kafka), services.codec.registry)
    scheduled = ConsoleScheduled(project, services.connection(settings.kafka))
    cluster, records, rebuilds = ClusterLooks(project), RecordLooks(project), ConsoleRebuilds(project)
    looks: dict[str, Look] = {
        "lag": cluster.lag,
        "status": cluster.status,
        "describe/{name}": cluster.describe,
        "rejections": records.rejections,
        "processes": records.processes,
        "processes/{name}/{key}": records.instance,
        "history/{name}/{key}": records.history,
        "trace/{name}": records.trace,
        "why/{name}/{key}": records.why,
        "topology": cluster.topology,
        "dead-letters": dead_letters.listed,
        "dead-letters/{name}/{place}": dead_letters.one,
        "parked": parked.listed,
        "parked/{name}/{key}": parked.one,
        "scheduled": scheduled.listed,
        "rebuilds": rebuilds.listed,
        "rebuilds/{name}/diff": rebuilds.compared,
    }
    acts = {
        "dead-letters/{name}": Act(RequeueWish, dead_letters.requeue),
        "dead-letters/{name}/discard": Act(DiscardWish, dead_letters.discard),
        "dead-letters/{name}/find": Act(FindWish, dead_letters.found),
        "dead-letters/{name}/export": Act(ExportWish, dead_letters.exported),
        "processes/{name}/{key}/retry": Act(RetryWish, instances.retry),
        "processes/{name}/{key}/cancel": Act(CancelWish, instances.cancel),
        "parked/{name}/find": Act(FindParkedWish, parked.found),
        "parked/{name}/retry": Act(RetryParkedWish, parked.retry),
        "parked/{name}/skip": Act(SkipWish, parked.skip),
        "scheduled/find": Act(FindScheduledWish, scheduled.found),
        "scheduled/{id}/cancel": Act(CancelScheduledWish, scheduled.cancel),
        "rebuilds/{name}/switch": Act(StepWish, rebuilds.switch),
        "rebuilds/{name}/rollback": Act(StepWish, rebuilds.rollback),
        "rebuilds/{name}/forget": Act(StepWish, rebuilds.forget),
        "rebuilds/{name}/discard": Act(StepWish, rebuilds.discard),
    }
    about = {"project": settings.project, "worker": settings.worker, "version": version("verbwire")}
    return ConsolePages(), ConsoleApi(about, catalog_of(project), looks, acts, _COSTLY, [cluster.close])
