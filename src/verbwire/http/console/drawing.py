"""The topology with its places, as numbers: the browser draws it, and colours it by what is so right now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verbwire.inspection.topology import NO_WORDS, topology
from verbwire.inspection.topology_layout import Box, Line, lay_out, title
from verbwire.project import Project
from verbwire.wire.records.rebuilds import RebuildWord

Json = dict[str, Any]


def drawing_of(project: Project, words: Mapping[str, RebuildWord] = NO_WORDS) -> Json:
    """Return boxes and lines of a project's topology; `words` are what the cluster says of rebuilt tables."""
    drawing = lay_out(topology(project, words))
    return {
        "width": drawing.width,
        "height": drawing.height,
        "boxes": [_box(each) for each in drawing.boxes.values()],
        "lines": [_line(each) for each in drawing.lines],
    }


def _box(box: Box) -> Json:
    node = box.node
    return {
        "id": node.id,
        "kind": node.kind,
        "name": node.name,
        "title": title(node),
        "context": node.context,
        "imported": node.imported,
        "generations": node.generations,
        "lines": box.lines,
        "messages": node.messages,
        "x": box.x,
        "y": box.y,
        "width": box.width,
        "height": box.height,
    }


def _line(line: Line) -> Json:
    edge = line.edge
    return {
        "source": edge.source,
        "target": edge.target,
        "kind": edge.kind,
        "messages": edge.messages,
        "rekeyed": edge.rekeyed,
        "points": line.points,
    }
