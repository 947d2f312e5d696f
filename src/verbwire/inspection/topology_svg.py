"""A topology as SVG, of boxes and lines alone: no program is needed to make it, no script or font to show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from verbwire.inspection.topology import EdgeKind, NodeKind, ProjectTopology, TopologyEdge
from verbwire.inspection.topology_layout import HEAD, LINE, PAD, Box, Line, Point, lay_out, short, title

STYLE = """
svg.topology { --paper: #fff; --ink: #1c2430; --faint: #68748a; --line: #98a3b5; --box: #f6f8fb;
  --commands: #c2571a; --events: #2563b8; --group: #12805c; --process: #8b3fb0; --query: #64748b;
  background: var(--paper); font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
@media (prefers-color-scheme: dark) { svg.topology { --paper: #11161d; --ink: #e6ebf2; --faint: #93a0b4;
  --line: #55627a; --box: #1a222d; --commands: #f0935a; --events: #6fa8ef; --group: #4cc69a; --process: #c78be6;
  --query: #9aa8bd; } }
.topology .node { --tone: var(--group); }
.topology .commands { --tone: var(--commands); } .topology .events { --tone: var(--events); }
.topology .process { --tone: var(--process); } .topology .query, .topology .responder { --tone: var(--query); }
.topology .node rect { fill: var(--box); stroke: var(--tone); stroke-width: 1.4; }
.topology .imported rect { stroke-dasharray: 5 4; }
.topology .node .bar { fill: var(--tone); stroke: none; }
.topology .kind { fill: var(--tone); font-size: 10px; letter-spacing: .06em; }
.topology .name { fill: var(--ink); font-size: 12px; font-weight: 600; }
.topology .message { fill: var(--faint); font-size: 11px; }
.topology .edge { fill: none; stroke: var(--line); stroke-width: 1.3; }
.topology .sends { stroke: var(--process); }
.topology marker path { fill: var(--line); } .topology marker.sent path { fill: var(--process); }
"""
"""Colours by CSS variables, for light and dark; a page that shows the drawing may set its own."""

_ROUND = 7.0


def svg(found: ProjectTopology, *, style: bool = True) -> str:
    """Return the drawing; without `style` for a page that has :data:`STYLE`, or its own, in a sheet.

    Each node is a ``<g class="node KIND" data-id=ID>``, each edge a ``<path class="edge KIND" data-source
    data-target>`` with a ``<title>`` that names its messages.
    """
    drawing = lay_out(found)
    size = f"{drawing.width:.0f} {drawing.height:.0f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="topology" viewBox="0 0 {size}" '
        f'width="{drawing.width:.0f}" height="{drawing.height:.0f}" role="img" '
        f"aria-label={quoteattr(f'Topology of {found.project}')}>",
        f"<style>{STYLE}</style>" if style else "",
        f"<defs>{_marker('arrow', 'end')}{_marker('arrow-sent', 'sent')}</defs>",
        *(_line(line) for line in drawing.lines),
        *(text for box in drawing.boxes.values() for text in _box(box)),
        "</svg>",
    ]
    return "\n".join(filter(None, parts)) + "\n"


def _marker(id: str, name: str) -> str:
    return (
        f'<marker id="{id}" class="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0.6 8 4 0 7.4z"/></marker>'
    )


def _box(box: Box) -> Iterator[str]:
    node = box.node
    classes = f"node {node.kind}{' imported' if node.imported else ''}"
    yield f'<g class="{classes}" data-id={quoteattr(node.id)} transform="translate({box.x:.1f} {box.y:.1f})">'
    yield f"<title>{escape(_told(box))}</title>"
    yield f'<rect width="{box.width:.1f}" height="{box.height:.1f}" rx="5"/>'
    yield f'<rect class="bar" width="4" height="{box.height:.1f}" rx="2"/>'
    kind = "imported " * node.imported + node.kind
    yield f'<text class="kind" x="{PAD + 3}" y="16">{escape(kind.upper())}</text>'
    yield f'<text class="name" x="{PAD + 3}" y="32">{escape(title(node))}</text>'
    for number, line in enumerate(box.lines):
        yield f'<text class="message" x="{PAD + 3}" y="{HEAD + 11 + number * LINE}">{escape(line)}</text>'
    yield "</g>"


def _told(box: Box) -> str:
    verb = "holds" if box.node.kind in (NodeKind.COMMANDS, NodeKind.EVENTS) else "handles"
    generations = f", {box.node.generations_told}" if box.node.generations else ""
    held = ", ".join(map(short, box.node.messages)) or "nothing"
    return f"{box.node.kind} {box.node.name}{generations}\n{verb} {held}"


def _line(line: Line) -> str:
    edge = line.edge
    path = _curve(*line.points) if len(line.points) == 2 else _corners(line.points)
    arrow = "arrow-sent" if edge.kind is EdgeKind.SENDS else "arrow"
    return (
        f'<path class="edge {edge.kind}" data-source={quoteattr(edge.source)} data-target={quoteattr(edge.target)} '
        f'd="{path}" marker-end="url(#{arrow})"><title>{escape(_said(edge))}</title></path>'
    )


def _said(edge: TopologyEdge) -> str:
    messages = ", ".join(f"{short(each)}{' (re-keyed)' if each in edge.rekeyed else ''}" for each in edge.messages)
    return f"{edge.kind} {messages}"


def _curve(start: Point, end: Point) -> str:
    (x, y), (to_x, to_y) = start, end
    half = (to_x - x) / 2
    return f"M{x:.1f} {y:.1f}C{x + half:.1f} {y:.1f} {to_x - half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"


def _corners(points: Sequence[Point]) -> str:
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        (from_x, from_y), (to_x, to_y) = _towards(corner, before), _towards(corner, after)
        path += f"L{from_x:.1f} {from_y:.1f}Q{corner[0]:.1f} {corner[1]:.1f} {to_x:.1f} {to_y:.1f}"
    return path + f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"


def _towards(corner: Point, other: Point) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(dx), abs(dy)) or 1.0
    part = min(_ROUND, length / 2) / length
    return corner[0] + dx * part, corner[1] + dy * part
