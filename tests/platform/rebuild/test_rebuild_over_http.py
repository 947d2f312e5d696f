"""A rebuild whose steps an operator takes over HTTP, and what doctor says meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.kit.cluster import Cluster, eventually
from tests.kit.rebuilds import MARK, RebuiltTable, rebuilt_table
from tests.kit.worker import SECRET, Running
from verbwire.security.tokens import OPERATOR, mint_token

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

TABLE = "bank.jars"


def asked(worker: Running, path: str, generation: int | None = None) -> tuple[int, Any]:
    """Ask a worker's console; with a generation take a step with it."""
    headers = {"Authorization": f"Bearer {mint_token(SECRET, 'olga', [OPERATOR])}"}
    url = f"{worker.url()}/console/api/rebuilds{path}"
    if generation is None:
        answer = httpx.get(url, headers=headers, timeout=60)
    else:
        answer = httpx.post(url, headers=headers, json={"generation": generation}, timeout=90)
    return answer.status_code, answer.json()


def diagnosed(table: RebuiltTable) -> list[str]:
    found = json.loads(table.project.run("doctor", "--json").stdout)
    return [each["what"] for each in found["diagnoses"] if each["check"] == "rebuilds"]


def marks(worker: Running) -> set[int]:
    return {pence // MARK for pence in (worker.rows() or {}).values()}


def test_a_rebuild_is_seen_compared_switched_and_deleted_over_http(cluster: Cluster, tmp_path: Path) -> None:
    with rebuilt_table(cluster, tmp_path) as table:
        first, second = table.workers.values()
        assert asked(first, "")[1]["tables"] == []
        table.done(folded_by=1)
        (state,) = asked(first, "")[1]["tables"]
        assert (state["table"], state["serving"], state["building"], state["builders"]) == (TABLE, 0, 1, 0)
        assert (state["progress"]["left"], state["progress"]["complete"]) == (0, True)
        assert "generation 1 is being built, and nobody builds it, 0 records are to go" in diagnosed(table)
        assert "bank.jars.1-jars-changelog" in table.project.run("acls", "--json").stdout
        status, differs = asked(first, f"/{TABLE}/diff")
        assert (status, differs["changed"], len(differs["samples"])) == (200, 16, 10), differs
        status, refused = asked(first, f"/{TABLE}/switch", 2)
        assert (status, refused["code"]) == (409, "not_done")
        assert marks(second) == {0}
        status, switched = asked(first, f"/{TABLE}/switch", 1)
        assert (status, switched["serving"], switched["workers"]) == (200, 1, 2), switched
        eventually(lambda: marks(second) == {1}, 20)
        (state,) = asked(second, "")[1]["tables"]
        assert (state["serving"], state["kept"], state["building"]) == (1, 0, None)
        assert asked(second, f"/{TABLE}/discard", 1)[0] == 409, "it serves"
        assert asked(second, f"/{TABLE}/rollback", 0)[1]["serving"] == 0
        eventually(lambda: marks(first) == {0}, 20)
        status, deleted = asked(second, f"/{TABLE}/forget", 0)
        assert (status, deleted["code"]) == (409, "not_done"), "what was seen there serves by now"
        assert asked(second, f"/{TABLE}/forget", 1) == (200, {"table": TABLE, "deleted": 1})
        assert diagnosed(table) == []
        listed = json.loads(table.project.run("topology", "--deployed", "--json").stdout)
        assert [each["generations"] for each in listed["nodes"] if each["name"] == TABLE] == [[0]]
