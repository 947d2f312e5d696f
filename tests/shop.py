"""The shop's own project, as its tests load it: its contracts, its declarations, and all of it in memory."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from verbwire.project import Catalog, Project, load_project, load_settings
from verbwire.testing import InMemory

ROOT = Path(__file__).parents[1]
EVERYTHING = ("accounts:write", "carts:write", "orders:write", "reports:write", "sales:read", "orders:all")


@cache
def project() -> Project:
    """The shop's contracts and declarations."""
    return load_project(load_settings(ROOT))


def catalog() -> Catalog:
    """The shop's contracts."""
    return project().catalog


def shop_in_memory() -> InMemory:
    """What the shop decides, counts and leads on; without its subscribers and jobs, which write files."""
    shop = project()
    return InMemory(
        *shop.aggregates, *shop.tables, *shop.processes, catalog=shop.catalog, actor="tests", scopes=EVERYTHING
    )
