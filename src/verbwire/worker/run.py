"""Runs a worker from its start to a clean stop: the composition root.

The order matters: producers first (they abort what a killed predecessor left open), then HTTP (health answers while
the rest starts), then Faust, whose import alone takes a second.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

from verbwire.client.base.connection import Connection
from verbwire.client.base.grant_rule import grants_of
from verbwire.declarations import Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.requirements import require_fit
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.discovery.directory import Directory
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.state.cache_budget import BUDGET
from verbwire.engine.state.memory import MEMORY
from verbwire.engine.topic_watch import TopicWatch
from verbwire.engine.transactions.group_metadata import verify_form
from verbwire.errors import EngineError
from verbwire.generations.topic import generations_of, read_words, with_serving
from verbwire.generations.watch import RebuildWatch
from verbwire.handling.handler_loop import HandlerLoop
from verbwire.http.access.auth import Authenticator, AuthSettings
from verbwire.http.access.rates import Rates
from verbwire.http.app import Access, Readable, build_app
from verbwire.http.base.interruptible_waits import InterruptibleWaits
from verbwire.http.console.pages import is_console_page
from verbwire.http.forwarding.peers import Peers
from verbwire.http.operations.health import Health
from verbwire.http.operations.jobs import JobsPage
from verbwire.http.serving.server import HttpServer
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.kafka.addresses import addresses, kafka_properties
from verbwire.kafka.connectivity import require_kafka
from verbwire.observability.descriptors import limit, raise_limit
from verbwire.observability.log_fields import name_worker
from verbwire.observability.metrics.registry import Metrics
from verbwire.observability.outages import Outage, filtered_by
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.project import Project
from verbwire.queries.check import require_queries
from verbwire.redaction import shown_address
from verbwire.secrets import http_secret
from verbwire.settings import ANYWHERE, Settings
from verbwire.tracing.switch import switch_on
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.rebuilds import RebuildWord
from verbwire.wire.registry.client import Registry
from verbwire.worker.aggregate_host import AggregateHost, host_aggregate
from verbwire.worker.announce import Announcement
from verbwire.worker.certificate import certificate_of
from verbwire.worker.command_endpoints import command_endpoints
from verbwire.worker.console import console_parts
from verbwire.worker.engine_group import host
from verbwire.worker.faust_import import import_faust
from verbwire.worker.known_topics import known_topics
from verbwire.worker.lag_watch import LagWatch
from verbwire.worker.local_copies import LocalCopies
from verbwire.worker.open_files import HostedFiles, share_files, spare_descriptors
from verbwire.worker.public_address import url_of
from verbwire.worker.query_handlers import query_handlers
from verbwire.worker.remote_tables import follow, remote_tables
from verbwire.worker.services import GroupHost, Services
from verbwire.worker.shutdown import Shutdown
from verbwire.worker.subscriber_group import host_effects
from verbwire.worker.table_host import TableHost
from verbwire.worker.table_sizes import TableSizes
from verbwire.worker.thread_dump import stacks_on_request
from verbwire.worker.trust import Trust
from verbwire.worker.worker_names import named

log = logging.getLogger(__name__)

# How long a busy thread may keep the others waiting; Python's default is 5 ms. The less it is, the sooner reads are
# answered beside an engine that catches up, and the longer the engine's threads wait for HTTP's, many times a commit.
_SWITCH_SECONDS = 0.002
_WATCH_SECONDS = 1.0
# A batch makes several objects a record and drops them after its commit. With Python's own thresholds (700, 10, 10)
# the collector walks over them again and again while they are in use, a third of an aggregate's time; with these it
# comes about once a batch.
_COLLECT_AFTER = (100_000, 20, 20)


def run_worker(project: Project, groups: Sequence[str], leave: bool = False) -> None:
    """Host these groups until SIGTERM or SIGINT.

    `leave` says that no worker of this name will come back: its partitions move at once. EngineError when a group
    is beyond repair; the process should end then, and be started again. SIGUSR1 prints what all threads are at to
    stderr, and the worker goes on.
    """
    stopping = Shutdown()
    stacks_on_request()
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_COLLECT_AFTER)
    verify_form()
    require_queries(project.catalog, project.tables, project.responders)
    groups = project.with_schedulers(groups)
    for group in groups:
        require_fit(project.declared[group], project.catalog)
    with named(project.settings) as settings, ExitStack() as opened:
        opened.callback(stopping.done)
        _run(replace(project, settings=settings), groups, leave, stopping, opened)
    log.info("worker %s stopped", settings.worker)


def _run(project: Project, groups: Sequence[str], leave: bool, stopping: Shutdown, opened: ExitStack) -> None:
    settings, metrics = project.settings, Metrics()
    name_worker(settings.worker)
    opened.callback(switch_on(settings))
    certificate = certificate_of(settings, metrics)
    bootstrap, registry = addresses(settings)
    kafka = kafka_properties(settings, bootstrap)
    brokers = require_kafka(kafka)
    words = read_words(kafka, settings.names.rebuilds())
    settings = with_serving(settings, words)
    codec = Codec(project.catalog, Registry(registry, settings.registry_client), settings.names)
    loop = HandlerLoop()
    opened.callback(loop.close)  # the last but few: once HTTP and all groups have ended, no handler is left
    loop.open(project.resources_of(groups))
    declared = [project.declared[group] for group in groups]
    hosted_files = HostedFiles.of(declared, brokers)
    # Now already: clients of Kafka end the process where they cannot open a pipe.
    spare_descriptors(hosted_files, raise_limit())
    MEMORY.share(settings.cache_bytes, len(hosted_files.tables))
    metrics.process.memory(MEMORY.limits(), BUDGET.usage)
    notifier = ReplyNotifier(kafka, settings.names.replies())
    opened.callback(notifier.close)
    trust = Trust.of(settings)
    directory = Directory(kafka, codec, trust.verify)
    outage = Outage(f"Kafka at {shown_address(bootstrap)}")
    opened.enter_context(filtered_by(outage))
    grants = grants_of(settings, Connection.delivery_seconds)
    grants.require_secret()
    services = Services(settings, bootstrap, kafka, codec, metrics, notifier, directory, grants, outage, loop=loop)
    opened.callback(services.watchdog.close)
    hosted = [_host(each, services, words) for each in declared]
    connection_limits = share_files(hosted_files.with_partitions(hosted), limit())
    elsewhere = remote_tables(project, groups, services)
    tables = [table for each in hosted for table in each.tables] + elsewhere
    announcement, health, waits = Announcement(services, hosted, directory, trust), Health(hosted), InterruptibleWaits()
    rates = Rates(settings.http_command_rate, settings.http_question_rate)
    opened.callback(announcement.close)
    commands = command_endpoints(project, services, tables, announcement.peers, waits, rates)
    opened.callback(commands.close)
    notifier.nearby = commands.gateway
    server = HttpServer(
        build_app(
            Access(_authenticator(settings, trust), rates, settings.http_open, _static(settings)),
            _readable(project, services, tables, announcement.peers),
            health,
            metrics,
            [
                *commands.parts,
                JobsPage(services.jobs, settings.worker, announcement.peers),
                *console_parts(project, services),
            ],
        ),
        settings.http_host,
        settings.http_port,
        certificate,
        connection_limits,
    )
    opened.callback(server.stop)
    where, port = server.start()
    announcement.start(url_of(settings, port))
    services.watchdog.start()
    _keep_copies(settings, opened)
    topics = TopicWatch(kafka, lambda: [engine for each in hosted for engine in each.engines])
    opened.callback(topics.stop)
    rebuilds = _follow_rebuilds(services, hosted, elsewhere)
    opened.callback(rebuilds.stop)
    _measure(project, services, hosted, opened)
    log.info("worker %s hosts %s; HTTP on %s:%d", settings.worker, ", ".join(groups), where, port)
    # Before anything stops: no more requests are routed here, and those that wait for an outcome get its link.
    asyncio.run(_serve(hosted, [topics, rebuilds], leave, [health.leave, waits.end, announcement.leave], stopping))


def _measure(project: Project, services: Services, hosted: Sequence[GroupHost], opened: ExitStack) -> None:
    """Let the metrics show what is not counted but looked up: lag, sizes of tables, the outage."""
    metrics, lags = services.metrics, LagWatch(services.kafka, hosted, services.clock)
    processes = {services.codec.names.group(each.group) for each in project.processes}
    schedulers = {services.codec.names.group(each.group) for each in project.schedulers}
    sizes = TableSizes(lambda: {each.name: reader for each in hosted for reader in each.readers}, processes, schedulers)
    metrics.process.worker(services.settings.worker, version("verbwire"))
    metrics.process.kafka(lambda: not services.outage.lasts())
    metrics.process.tables(sizes.sizes)
    metrics.lags(lags.lags)
    for each in (lags, sizes):
        each.start()
        opened.callback(each.stop)


def _static(settings: Settings) -> Callable[[str], bool]:
    return is_console_page if settings.http_console else lambda _: False


def _readable(project: Project, services: Services, tables: Sequence[QueryableTable], peers: Peers) -> Readable:
    queries = query_handlers(project, tables, lambda name: services.watched(HandlerWatch(name)), services.loop)
    return Readable(tables, queries, peers, known_topics(project, services.codec.names))


def _keep_copies(settings: Settings, opened: ExitStack) -> None:
    copies = LocalCopies(settings.data_folder / "tables", settings.worker)
    copies.start()
    opened.callback(copies.stop)


def _follow_rebuilds(
    services: Services, hosted: Sequence[GroupHost], elsewhere: Sequence[QueryableTable]
) -> RebuildWatch:
    """Have the tables told which of their generations are followed, and which serves."""
    watch = RebuildWatch(services.kafka, services.codec.names.rebuilds())
    for each in hosted:
        if isinstance(each, TableHost | AggregateHost):
            watch.follow(each.group, each.told)
    for table in elsewhere:
        if table.switch is not None:
            watch.follow(table.name, partial(follow, table.switch))
    return watch


def _host(declared: Declared, services: Services, words: Mapping[str, RebuildWord]) -> GroupHost:
    match declared:
        case Table():
            return TableHost(declared, services, generations_of(words, declared.group))
        case Aggregate():
            return host_aggregate(declared, services)
        case Process() | Scheduler():
            return host(declared, services)
        case Subscriber() | Job():
            return host_effects(declared, services)


async def _serve(
    hosted: list[GroupHost],
    watches: Sequence[TopicWatch | RebuildWatch],
    leave: bool,
    leaving: Sequence[Callable[[], None]],
    stopping: Shutdown,
) -> None:
    stop = stopping.event()
    with ThreadPoolExecutor(len(hosted)) as pool:
        await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(pool, each.connect) for each in hosted))
    if stop.is_set():
        return
    for each in watches:
        each.start()
    if any(each.engines for each in hosted):
        import_faust()
    try:
        starting = asyncio.gather(*(each.start() for each in hosted))
        await _until(stop, hosted, starting)
    finally:
        stopping.begin()
        for tell in leaving:
            await asyncio.get_running_loop().run_in_executor(None, tell)
        await asyncio.gather(*(each.stop(leave) for each in hosted), return_exceptions=True)


async def _until(stop: asyncio.Event, hosted: list[GroupHost], starting: asyncio.Future[Any]) -> None:
    while not stop.is_set():
        if starting.done():
            starting.result()
        for each in hosted:
            if why := each.live():
                raise EngineError(f"{each.name}: {why}")
        try:
            await asyncio.wait_for(stop.wait(), _WATCH_SECONDS)
        except TimeoutError:
            continue


def _authenticator(settings: Settings, trust: Trust) -> Authenticator:
    if settings.http_development == ANYWHERE and not settings.http_jwks_url:
        log.warning("http_development is %r: anyone with http_secret can act as any principal here", ANYWHERE)
    return Authenticator(
        AuthSettings(
            issuer=settings.http_issuer,
            audience=settings.http_audience,
            secret=http_secret(settings),
            jwks_url=settings.http_jwks_url or None,
        ),
        trust.tokens,
    )
