"""``verbwire topology``: what flows where, as text, as SVG or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from verbwire.cli.output import AsJson, print_json, print_text
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.topology import ProjectTopology, TopologyEdge, TopologyNode


def topology(
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the drawing to this file.")] = None,
    deployed: Annotated[
        bool, typer.Option("--deployed", help="Ask the cluster, too, which generations of rebuilt tables there are.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what flows where: commands, who receives them, events, who reads them, queries. Needs no cluster.

    \b
    verbwire topology
    verbwire topology --svg topology.svg
    verbwire topology --deployed
    """
    import msgspec

    from verbwire.generations.served import words_of
    from verbwire.inspection import topology as inspection
    from verbwire.inspection.topology_svg import svg as drawn
    from verbwire.project import load_project

    project = load_project(load_settings())
    found = inspection.topology(project, words_of(project.settings) if deployed else {})
    if svg is not None:
        svg.write_text(drawn(found), "utf-8")
    if as_json:
        print_json(msgspec.to_builtins(found))
    elif svg is None:
        print_text("\n".join(topology_lines(found)))
    else:
        print(f"wrote {svg}")


def topology_lines(found: ProjectTopology) -> Iterator[str]:
    """Yield the topology as indented text, context by context."""
    from verbwire.inspection.topology import NodeKind

    for context in sorted({node.context for node in found.nodes if node.kind in (NodeKind.COMMANDS, NodeKind.EVENTS)}):
        yield context
        for node in found.nodes:
            if node.context == context and node.kind in (NodeKind.COMMANDS, NodeKind.EVENTS):
                yield from _topic(found, node)
    responders = [node for node in found.nodes if node.kind is NodeKind.RESPONDER]
    if responders:
        yield "answered without a table"
        yield from (f"  responder {node.name} answers {_short(node.messages)}" for node in responders)


def _topic(found: ProjectTopology, node: TopologyNode) -> Iterator[str]:
    from verbwire.inspection.topology import EdgeKind

    yield f"  {node.name}{'  (another project deploys it)' if node.imported else ''}: {_short(node.messages)}"
    for edge in found.edges_to(node.id, EdgeKind.SENDS, EdgeKind.EMITS):
        sender = found.node(edge.source)
        yield f"    <- {sender.kind} {sender.name} {edge.kind} {_short(edge.messages)}"
    for edge in found.edges_from(node.id, EdgeKind.RECEIVES, EdgeKind.READS):
        yield from _reader(found, edge)


def _reader(found: ProjectTopology, edge: TopologyEdge) -> Iterator[str]:
    from verbwire.inspection.topology import EdgeKind

    reader = found.node(edge.target)
    rekeyed = f" (re-keyed: {_short(edge.rekeyed)})" if edge.rekeyed else ""
    yield f"    -> {reader.kind} {reader.name} {edge.kind} {_short(edge.messages)}{rekeyed}{_generations(reader)}"
    for out in found.edges_from(reader.id, EdgeKind.EMITS, EdgeKind.SENDS):
        yield f"       {out.kind} to {found.node(out.target).name}: {_short(out.messages)}"
    if answered := found.edges_from(reader.id, EdgeKind.ANSWERS):
        yield f"       answers {_short([name for each in answered for name in each.messages])}"


def _generations(node: TopologyNode) -> str:
    return f" ({node.generations_told})" if node.generations else ""


def _short(names: Sequence[str]) -> str:
    return ", ".join(name.rpartition(".")[2] for name in names) or "nothing"
