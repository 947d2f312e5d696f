"""Where each node and edge of a topology is drawn: columns from left to right, as messages flow.

Commands, their receivers, events, who reads them, queries. Within a column nodes stand near what they are connected
with (barycentres, as Sugiyama's method has them); what flows back (a process sends commands) goes around, beneath all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from verbwire.inspection.topology import EdgeKind, NodeKind, ProjectTopology, TopologyEdge, TopologyNode

LINE, HEAD, PAD = 16, 40, 10  # heights: of a message's line, of a title, around both
_LETTER, _TITLE_LETTER, _LEAST_WIDTH = 6.7, 7.3, 130.0
_BETWEEN, _GUTTER, _MARGIN, _LANE = 22.0, 96.0, 28.0, 14.0
_SWEEPS = 12
_COLUMNS = {
    NodeKind.COMMANDS: 0,
    NodeKind.AGGREGATE: 1,
    NodeKind.JOB: 1,
    NodeKind.EVENTS: 2,
    NodeKind.TABLE: 3,
    NodeKind.SUBSCRIBER: 3,
    NodeKind.SCHEDULER: 3,
    NodeKind.RESPONDER: 3,
    NodeKind.PROCESS: 3,
    NodeKind.QUERY: 4,
}
_TOPICS = (NodeKind.COMMANDS, NodeKind.EVENTS)
Point = tuple[float, float]


@dataclass
class Box:
    """A node and its place; `lines` are the messages that a topic's box lists."""

    node: TopologyNode
    lines: tuple[str, ...]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    leads_back: bool = False  # its commands or events go around, beneath all: it stands at the bottom

    @property
    def middle(self) -> float:
        """Of its height."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Line:
    """An edge and the points it goes through; two points are joined by a curve, more by rounded corners."""

    edge: TopologyEdge
    points: tuple[Point, ...]


@dataclass
class Drawing:
    """All boxes and lines, and the size that they need."""

    boxes: dict[str, Box] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def lay_out(found: ProjectTopology) -> Drawing:
    """Return where everything is drawn. Outcomes have no line of their own: they return where commands went."""
    boxes = {node.id: _box(node) for node in found.nodes}
    edges = [each for each in found.edges if each.kind is not EdgeKind.OUTCOMES]
    columns = [[box for box in boxes.values() if _COLUMNS[box.node.kind] == number] for number in range(5)]
    columns = [column for column in columns if column]
    _place_columns(columns)
    for edge in edges:
        boxes[edge.source].leads_back |= not _goes_on(boxes, edge)
    _settle(columns, _neighbours(boxes, edges))
    drawing = Drawing(boxes, _forward(boxes, edges))
    floor = max((box.y + box.height for box in boxes.values()), default=0.0)
    _add_lanes(drawing, edges, floor)
    drawing.width = max((box.x + box.width for box in boxes.values()), default=0.0) + _GUTTER / 2 + _MARGIN
    drawing.height = max([floor, *(y for line in drawing.lines for _, y in line.points)]) + _MARGIN
    return drawing


def short(name: str) -> str:
    """Return a message's name without its namespace."""
    return name.rpartition(".")[2]


def title(node: TopologyNode) -> str:
    """Return what stands in a node's box: a query without its namespace."""
    return short(node.name) if node.kind is NodeKind.QUERY else node.name


def _box(node: TopologyNode) -> Box:
    lines = tuple(short(each) for each in node.messages) if node.kind in _TOPICS else ()
    widest = max([len(title(node)) * _TITLE_LETTER, *(len(each) * _LETTER for each in lines)])
    height = HEAD + (len(lines) * LINE + PAD if lines else PAD / 2)
    return Box(node, lines, max(_LEAST_WIDTH, widest + 2 * PAD + 6), height)


def _place_columns(columns: Sequence[Sequence[Box]]) -> None:
    x = _MARGIN + _GUTTER / 2
    for column in columns:
        width = max(box.width for box in column)
        for box in column:
            box.x, box.width = x, width
        _stack(column)
        x += width + _GUTTER


def _stack(column: Sequence[Box]) -> None:
    y = _MARGIN
    for box in column:
        box.y, y = y, y + box.height + _BETWEEN


def _neighbours(boxes: Mapping[str, Box], edges: Sequence[TopologyEdge]) -> Mapping[str, list[Box]]:
    found: dict[str, list[Box]] = {id: [] for id in boxes}
    for edge in edges:
        if _goes_on(boxes, edge):
            found[edge.source].append(boxes[edge.target])
            found[edge.target].append(boxes[edge.source])
    return found


def _goes_on(boxes: Mapping[str, Box], edge: TopologyEdge) -> bool:
    return boxes[edge.source].x < boxes[edge.target].x


def _settle(columns: Sequence[list[Box]], neighbours: Mapping[str, list[Box]]) -> None:
    """Order each column by the middles of its neighbours, again and again, then draw each box towards them."""
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            column.sort(key=lambda box: (box.leads_back, _wished(box, neighbours[box.node.id]), box.node.name))
            _stack(column)
    _align(columns, neighbours)
    lowest = min((box.y for column in columns for box in column), default=_MARGIN)
    for column in columns:
        for box in column:
            box.y += _MARGIN - lowest


def _wished(box: Box, near: Sequence[Box]) -> float:
    return fmean(each.middle for each in near) if near else box.middle


def _align(columns: Sequence[Sequence[Box]], neighbours: Mapping[str, list[Box]]) -> None:
    """Leave the tallest column as it is stacked; from there outwards, draw each towards those that are placed."""
    tallest = max(range(len(columns)), key=lambda number: _height(columns[number]), default=0)
    placed = {box.node.id for column in columns[tallest : tallest + 1] for box in column}
    for column in [*reversed(columns[:tallest]), *columns[tallest + 1 :]]:
        wishes = []
        for box in column:
            near = [each for each in neighbours[box.node.id] if each.node.id in placed]
            wishes.append(_wished(box, near) - box.height / 2)
        _pull(column, wishes)
        placed |= {box.node.id for box in column}


def _height(column: Sequence[Box]) -> float:
    return sum(box.height + _BETWEEN for box in column)


def _pull(column: Sequence[Box], wishes: Sequence[float]) -> None:
    """Place boxes as near to their wishes as their order allows (isotonic regression: pool adjacent violators)."""
    above, pools = [0.0], list[list[float]]()
    for box in column:
        above.append(above[-1] + box.height + _BETWEEN)
    for wish, taken in zip(wishes, above, strict=False):
        pools.append([wish - taken])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    starts = [fmean(pool) for pool in pools for _ in pool]
    for box, start, taken in zip(column, starts, above, strict=False):
        box.y = start + taken


def _forward(boxes: Mapping[str, Box], edges: Sequence[TopologyEdge]) -> list[Line]:
    """Curves from right sides to left sides, whose ends are spread over a side in the order of the other ends."""
    going = [edge for edge in edges if _goes_on(boxes, edge)]
    leaving = _ports(boxes, going, lambda edge: (edge.source, edge.target))
    coming = _ports(boxes, going, lambda edge: (edge.target, edge.source))
    lines = []
    for edge in going:
        source, target = boxes[edge.source], boxes[edge.target]
        start = (source.x + source.width, leaving[edge])
        lines.append(Line(edge, (start, (target.x, coming[edge]))))
    return lines


def _ports(
    boxes: Mapping[str, Box], edges: Sequence[TopologyEdge], ends: Callable[[TopologyEdge], tuple[str, str]]
) -> dict[TopologyEdge, float]:
    sides: dict[str, list[TopologyEdge]] = {}
    for edge in edges:
        sides.setdefault(ends(edge)[0], []).append(edge)
    found: dict[TopologyEdge, float] = {}
    for id, some in sides.items():
        some.sort(key=lambda edge: boxes[ends(edge)[1]].middle)
        step = min(16.0, (boxes[id].height - 2 * PAD) / len(some))
        first = boxes[id].middle - step * (len(some) - 1) / 2
        found |= {edge: first + number * step for number, edge in enumerate(some)}
    return found


def _add_lanes(drawing: Drawing, edges: Sequence[TopologyEdge], floor: float) -> None:
    """What goes back: out at the right, down, beneath all, and up at the left; a lane for each group that sends."""
    boxes = drawing.boxes
    going = [edge for edge in edges if not _goes_on(boxes, edge)]
    sources = list(dict.fromkeys(edge.source for edge in sorted(going, key=lambda edge: -boxes[edge.source].y)))
    for edge in going:
        number = sources.index(edge.source)
        source, target = boxes[edge.source], boxes[edge.target]
        out, into = source.x + source.width + 12 + number * 7, target.x - 18 - number * 7
        start = source.y + source.height - PAD
        beneath = floor + _LANE * (number + 1.5)
        end = target.y + HEAD / 2 + number * 5
        points = ((source.x + source.width, start), (out, start), (out, beneath), (into, beneath), (into, end))
        drawing.lines.append(Line(edge, (*points, (target.x, end))))
