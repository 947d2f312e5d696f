"""The topology of a project: nothing declared is left out of it, and its drawing overlaps nothing."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest

from tests.kit.cli import library, verbwire
from verbwire.cli.topology import topology_lines
from verbwire.inspection.topology import EdgeKind, NodeKind, ProjectTopology, TopologyEdge, TopologyNode, topology
from verbwire.inspection.topology_layout import lay_out
from verbwire.inspection.topology_svg import svg
from verbwire.project import load_project
from verbwire.settings import load_settings
from verbwire.wire.records.rebuilds import Generations, RebuildWord

SHOP = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def shop() -> ProjectTopology:
    return topology(load_project(load_settings(SHOP)))


def parsed(drawn: str) -> Element:
    return fromstring(drawn)  # noqa: S314


def test_topology_holds_every_group_and_every_message(shop: ProjectTopology) -> None:
    project = load_project(load_settings(SHOP))
    assert {node.name for node in shop.nodes} >= {*project.groups, "shop.forms", "shop.carts.commands"}
    said = {name for node in shop.nodes for name in node.messages}
    assert said == {each.name for each in project.catalog if each.kind in ("command", "event", "query")}


def test_topology_edges_tell_who_sends_receives_emits_reads_and_answers(shop: ProjectTopology) -> None:
    met = {(each.source, each.kind, each.target): each for each in shop.edges}
    sent = met["process:shop.checkout", EdgeKind.SENDS, "commands:shop.accounts"]
    assert sent.messages == ("shop.accounts.CreditBalance", "shop.accounts.DebitBalance")
    assert ("commands:shop.accounts", EdgeKind.RECEIVES, "aggregate:shop.accounts.aggregate") in met
    assert ("aggregate:shop.accounts.aggregate", EdgeKind.OUTCOMES, "process:shop.checkout") in met
    assert ("aggregate:shop.carts.aggregate", EdgeKind.EMITS, "events:shop.carts") in met
    read = met["events:shop.orders", EdgeKind.READS, "table:shop.sales_per_customer"]
    assert read.rekeyed == read.messages == ("shop.orders.OrderConfirmed",)
    assert not met["events:shop.carts", EdgeKind.READS, "table:shop.carts"].rekeyed
    assert ("table:shop.orders", EdgeKind.ANSWERS, "query:shop.orders.FindOrders") in met
    assert ("responder:shop.forms", EdgeKind.ANSWERS, "query:shop.forms.CheckOrderForm") in met
    assert ("subscriber:shop.fraud", EdgeKind.EMITS, "events:shop.fraud") in met


def test_topology_drawing_overlaps_no_boxes_and_stays_on_its_paper(shop: ProjectTopology) -> None:
    drawing = lay_out(shop)
    assert set(drawing.boxes) == {node.id for node in shop.nodes}
    for one, other in combinations(drawing.boxes.values(), 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y, (one.node, other.node)
    for x, y in [point for line in drawing.lines for point in line.points]:
        assert 0 < x < drawing.width
        assert 0 < y < drawing.height


def test_topology_drawing_of_one_node_or_none_is_a_drawing() -> None:
    alone = TopologyNode(id="events:<&>", kind=NodeKind.EVENTS, name="<&>", context="a", messages=("a.<b>",))
    back = TopologyEdge(source=alone.id, target=alone.id, kind=EdgeKind.SENDS)
    for nodes, edges in (((), ()), ((alone,), ()), ((alone,), (back,))):
        found = ProjectTopology(project='"', nodes=nodes, edges=edges)
        assert len(parsed(svg(found)).findall(".//{*}g")) == len(nodes)


def test_topology_as_svg_names_each_node_and_edge(shop: ProjectTopology) -> None:
    root = parsed(svg(shop, style=False))
    assert {each.get("data-id") for each in root.iter("{http://www.w3.org/2000/svg}g")} == {n.id for n in shop.nodes}
    drawn = [each for each in root.iter("{http://www.w3.org/2000/svg}path") if each.get("data-source")]
    assert len(drawn) == len([each for each in shop.edges if each.kind is not EdgeKind.OUTCOMES])
    assert "style" not in svg(shop, style=False)  # a page's CSP allows none inside


def test_topology_command_writes_text_svg_and_json_without_a_cluster(tmp_path: Path) -> None:
    library(tmp_path)
    assert verbwire(tmp_path, "schemas", "generate").returncode == 0
    told = verbwire(tmp_path, "topology")
    assert told.returncode == 0, told.stderr
    assert "    -> aggregate library.loans.aggregate receives BorrowBook\n" in told.stdout
    assert "    -> table library.lent reads BookBorrowed\n" in told.stdout
    found = json.loads(verbwire(tmp_path, "topology", "--json", "--svg", "drawn.svg").stdout)
    assert {each["kind"] for each in found["nodes"]} == {"commands", "aggregate", "events", "table"}
    assert (tmp_path / "drawn.svg").read_text("utf-8").startswith("<svg")


def test_topology_tells_the_generations_of_a_rebuilt_table_where_a_cluster_was_asked(shop: ProjectTopology) -> None:
    project = load_project(load_settings(SHOP))
    words = {"shop.orders": RebuildWord(generations=Generations(serving=1, followed=(0, 1), building=2, last=2))}
    found = topology(project, words).node("table:shop.orders")
    assert (found.generations, found.generations_told) == (
        (1, 0, 2),
        "generation 1 serves, 0 stands beside it, 2 stands beside it",
    )
    assert found.generations_told in svg(topology(project, words))
    assert any(found.generations_told in line for line in topology_lines(topology(project, words)))
    assert shop.node("table:shop.orders").generations == ()
    assert [node.name for node in topology(project, words).nodes if node.generations] == ["shop.orders"]
