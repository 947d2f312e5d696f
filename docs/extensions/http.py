"""The pages of HTTP: paths and headers, from the document that workers serve as ``/openapi.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.extensions.markdown import table
from verbwire.http.operations.openapi import openapi
from verbwire.project import load_catalog, load_settings

ROOT = Path(__file__).parents[2]
# One of each sort stands for all: in the document each contract has a path of its own.
_STANDS_FOR = {
    "/commands/shop.orders.PlaceOrder": ("/commands/{Name}", "One command"),
    "/queries/shop.orders.GetOrder": ("/queries/{Name}", "One query, answered by a row or a reply"),
    "/queries/shop.orders.FindOrders": ("/queries/{Name}", "One query, answered by a list"),
}


def page() -> str:
    """Return the tables of paths and headers, in markdown."""
    document = openapi("shop", load_catalog(load_settings(ROOT)))
    parts = document["components"]
    return (
        f"## Paths\n\n{table(['', 'is', 'answers with'], paths(document['paths']))}\n"
        f"## Request headers\n\n{table(['header', 'says'], requests(parts['parameters']))}\n"
        f"## Response headers\n\n{table(['header', 'says'], responses(document))}\n"
    )


def paths(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what is asked, what it is for, and the statuses that answer it."""
    for path, operations in document.items():
        if path.startswith(("/commands/", "/queries/")) and path not in _STANDS_FOR:
            continue
        for method, operation in operations.items():
            shown, summary = _STANDS_FOR.get(path, (path, operation["summary"]))
            told = "" if path in _STANDS_FOR else operation.get("description", "")
            statuses = " ".join(operation["responses"])
            yield f"`{method.upper()} {shown}`", f"{summary}. {told}".strip(), statuses


def requests(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers that a request may have."""
    for each in parameters.values():
        if each["in"] == "header":
            yield f"`{each['name']}`", each.get("description", "")


def responses(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers that responses have, under the names that the paths give them."""
    named: dict[str, str] = {}
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                for name, reference in response.get("headers", {}).items():
                    named.setdefault(name, reference["$ref"].rpartition("/")[2])
    for name, part in sorted(named.items()):
        yield f"`{name}`", document["components"]["headers"][part].get("description", "")
