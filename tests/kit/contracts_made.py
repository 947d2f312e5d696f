"""Contracts and their generated classes, made for one test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kit.contract_projects import project
from verbwire.contracts.codegen.generate import generate
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Catalog


def made(folder: Path, *schemas: dict[str, Any]) -> tuple[Catalog, dict[str, Any]]:
    """The catalog of these schemas of one context, and the names of its generated module."""
    root = project(folder, *schemas)
    catalog = load_catalog(root)
    (source,) = generate(catalog, root).values()
    module: dict[str, Any] = {"__name__": "generated"}
    exec(compile(source, "generated", "exec", dont_inherit=True), module)  # noqa: S102 (our own output)
    return catalog, module
