"""The shop's own project, as its tests load it: its contracts, its declarations, and all of it in memory."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.kit.cluster import Cluster
from verbwire.client import Connection
from verbwire.project import Catalog, Project, load_catalog, load_project, load_settings
from verbwire.testing import InMemory

ROOT = Path(__file__).parents[1]
EVERYTHING = ("accounts:write", "carts:write", "orders:write", "reports:write", "sales:read", "orders:all")


@cache
def project() -> Project:
    """The shop's contracts and declarations."""
    return load_project(load_settings(ROOT))


@cache
def catalog() -> Catalog:
    """The shop's contracts."""
    return load_catalog(load_settings(ROOT))


def connection_to(cluster: Cluster, prefix: str, **settings: object) -> Connection:
    """What a client of the shop needs to know, on that cluster and under that prefix."""
    there = {"bootstrap": cluster.bootstrap, "registry": cluster.registry_url, "prefix": prefix}
    return Connection.of_project(load_settings(ROOT, {**there, **settings}))


def shop_in_memory() -> InMemory:
    """What the shop decides, counts and leads on; without its subscribers and jobs, which write files."""
    shop = project()
    return InMemory(
        *shop.aggregates, *shop.tables, *shop.processes, catalog=shop.catalog, actor="tests", scopes=EVERYTHING
    )
