"""Every operation of the OpenAPI document, asked in ways that fit it and in ways that do not, by schemathesis.

It checks each answer against the document: its status, type, body and headers. What fits must not be refused as
malformed, what does not fit must be; nothing may break.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.bank import Bank
from tests.kit.cluster import Cluster
from tests.kit.worker import DUSTER, SECRET, TELLER, Branch, Running, branch
from verbwire.security.tokens import OPERATOR, mint_token

pytestmark = pytest.mark.kafka

QUERIES: dict[str, dict[str, Any]] = {
    "GetJar": {"fields": [{"name": "jar_id", "type": "string"}]},
    "FindJars": {
        "many": True,
        "fields": [
            {"name": "pence_from", "type": ["null", "int"], "default": None, "minimum": 0},
            {"name": "pence_until", "type": ["null", "int"], "default": None, "maximum": 1000},
        ],
    },
}
STREAMS = """
from schemas.jars import CoinsPut, FindJars, GetJar, JarRow
from verbwire import Table

jars = Table("bank.jars", row=JarRow, answers=[GetJar, FindJars], index=["pence"])

@jars.on
def coins_put(row: JarRow | None, event: CoinsPut) -> JarRow:
    return JarRow(jar_id=event.jar_id, pence=event.pence)

"""
CONFIG = """
[checks]  # a command may expire, and a slow machine may not be ready: 500 is what must not be
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503", "504"]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]

[[operations]]  # a cursor that somebody made up fits no list, a position that somebody made up is nowhere
include-path = ["/tables/{name}", "/tables/{name}/{key}", "/queries/bank.jars.FindJars", "/queries/bank.jars.GetJar"]
checks.positive_data_acceptance.enabled = false
"""


@pytest.fixture(scope="module")
def project(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    town = Bank(cluster, f"o{uuid.uuid4().hex[:10]}", 2)
    with branch(tmp_path_factory.mktemp("project"), town) as opened:
        opened.write("consumers/jars.py", TELLER + DUSTER)
        opened.write("streams/jars.py", STREAMS)
        for name, more in QUERIES.items():
            query = {"type": "record", "namespace": "bank.jars", "name": name, "kind": "query", "public": True}
            opened.write(f"schemas/jars/{name}.avsc", json.dumps({**query, "reply": "JarRow", **more}))
        for command in (("schemas", "generate"), ("deploy",)):
            done = opened.run(*command, VERBWIRE_PARTITIONS="2")
            assert done.returncode == 0, done.stdout + done.stderr
        yield opened
    town.close()


@pytest.fixture(scope="module")
def worker(project: Branch) -> Running:
    return project.start().ready()


def fuzz(worker: Running, folder: Path, *arguments: str) -> None:
    token = mint_token(SECRET, "fuzzer", [OPERATOR, "jars:write"])
    (folder / "schemathesis.toml").write_text(CONFIG, "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{worker.url()}/openapi.json"),
            *("-H", f"Authorization: Bearer {token}", "--seed", "1", *arguments),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert "Traceback" not in worker.said(), worker.said()[-3000:]


def test_fuzzing_openapi_breaks_nothing_and_finds_nothing_undocumented(worker: Running, tmp_path: Path) -> None:
    others = [f"/commands/bank.jars.{name}" for name in ("DustJar", "SealJar", "ShakeJar", "TakeCoins")]
    fewer = [each for path in others for each in ("--exclude-path", path)]
    fewer += ["--exclude-path-regex", "^/console/"]  # much of it reads whole topics
    fuzz(worker, tmp_path, *fewer, "--phases", "coverage")


@pytest.mark.chaos
def test_fuzzing_openapi_for_longer(worker: Running, tmp_path: Path) -> None:
    fuzz(worker, tmp_path, "--max-examples", "50", "--workers", "2")
