"""What contracts are compared with: what was deployed from here, or what stands in git."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.kit.contract_projects import event, project
from verbwire.contracts.checks.baseline import PREFIXES, Baseline, at_ref, deployed, note_deployed
from verbwire.contracts.checks.check import compare
from verbwire.contracts.codegen.generate import generate, write
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Catalog
from verbwire.errors import ContractError

LINE = {"type": "record", "namespace": "shop.common", "name": "Line", "fields": [{"name": "pence", "type": "long"}]}
MOMENT = {"type": "long", "logicalType": "timestamp-millis"}


def opened(at: Any = "long", **more: Any) -> dict[str, Any]:
    return event("CartOpened", {"at": at, "line": "shop.common.Line"}, **more)


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose project, one folder down, has one commit."""
    place = tmp_path / "repository" / "shop"
    place.mkdir(parents=True)
    project(place, opened(), LINE)
    git(tmp_path / "repository", "init", "-b", "main")
    git(tmp_path / "repository", "add", ".")
    git(tmp_path / "repository", "commit", "-m", "first")
    return place


def codes(catalog: Catalog, baseline: Baseline | None, folder: Path, *retired: str) -> list[str]:
    assert baseline is not None
    return [each.code for each in compare(catalog, folder, baseline, retired)]


def test_contracts_are_compared_with_those_of_a_branch(repository: Path) -> None:
    folder = project(repository, opened(MOMENT))
    before = at_ref(folder, "main")
    (found,) = compare(load_catalog(folder), folder, before)
    assert (found.code, found.severity, found.file) == ("type-changed", "error", f"{folder}/carts/CartOpened.avsc")
    assert found.message.startswith("field at: was long, is timestamp-millis: registries take them for the same")
    assert found.message.endswith("(compared with main)")


def test_changes_of_shared_types_are_told_of_the_messages_that_hold_them(repository: Path) -> None:
    folder = project(repository, {**LINE, "fields": [{"name": "pence", "type": MOMENT}]})
    (found,) = compare(load_catalog(folder), folder, at_ref(folder, "main"))
    assert found.message.startswith("field line.pence: was long, is timestamp-millis")


def test_contracts_of_before_need_not_keep_the_rules_of_today(repository: Path) -> None:
    folder = project(repository, opened(key="nowhere"))
    git(repository, "commit", "-am", "against the rules")
    project(repository, opened())
    assert codes(load_catalog(folder), at_ref(folder, "HEAD"), folder) == ["key-changed"]


def test_a_contract_that_is_gone_is_missed_unless_it_is_retired(repository: Path) -> None:
    folder = repository / "schemas"
    (folder / "carts" / "CartOpened.avsc").unlink()
    project(repository, {**opened(), "namespace": "shop.baskets"})
    catalog, before = load_catalog(folder), at_ref(folder, "main")
    (found,) = compare(catalog, folder, before)
    assert (found.code, found.file) == ("message-gone", str(folder))
    assert "shop.carts.CartOpened is gone; shop.baskets.CartOpened is another message" in found.message
    assert codes(catalog, before, folder, "shop.carts.CartOpened") == []


@pytest.mark.parametrize("ref", ["nowhere", "--all", "main:schemas"])
def test_a_ref_that_git_does_not_know_is_told(repository: Path, ref: str) -> None:
    with pytest.raises(ContractError, match=f"--against {ref}: git knows no such commit, branch or tag"):
        at_ref(repository / "schemas", ref)


def test_a_commit_without_contracts_is_told(repository: Path) -> None:
    git(repository, "mv", "schemas", "contracts")
    git(repository, "commit", "-m", "elsewhere")
    with pytest.raises(ContractError, match="--against main: there are no contracts in schemas/ there"):
        at_ref(repository / "schemas", "main")


def test_contracts_of_before_that_cannot_be_read_are_told_by_their_place(repository: Path) -> None:
    (repository / "schemas" / "carts" / "CartOpened.avsc").write_text("{", "utf-8")
    git(repository, "commit", "-am", "broken")
    with pytest.raises(ContractError, match=r"\nmain:schemas/carts/CartOpened\.avsc: is no JSON"):
        at_ref(repository / "schemas", "main")


def test_a_folder_outside_of_git_is_told(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"--against needs git, and .* is in no repository"):
        at_ref(project(tmp_path, LINE), "main")


def test_a_machine_without_git_is_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(ContractError, match="--against needs git, which cannot be run"):
        at_ref(repository / "schemas", "main")


def test_deployed_contracts_are_remembered_by_prefix(tmp_path: Path) -> None:
    folder, file = project(tmp_path, opened(), LINE), tmp_path / ".verbwire" / "deployed.json"
    assert deployed(file, "") is None
    first = load_catalog(folder)
    note_deployed(file, "", first, {})
    note_deployed(file, "other", Catalog(), {})
    second = load_catalog(project(tmp_path, opened(MOMENT)))
    assert codes(second, deployed(file, ""), folder) == ["type-changed"]
    assert codes(second, deployed(file, "other"), folder) == []
    assert deployed(file, "third") is None


def test_versions_are_remembered_as_the_registry_knows_them_else_as_the_file_does(tmp_path: Path) -> None:
    file = tmp_path / "deployed.json"
    (contract,) = load_catalog(project(tmp_path, opened(), LINE))
    schemas = [{**contract.schema, "doc": text} for text in ("first", "second", "third")]
    catalogs = [Catalog({contract.name: replace(contract, schema=schema)}) for schema in schemas]

    def known() -> list[str]:
        found = deployed(file, "")
        assert found is not None
        return [each["doc"] for each in found.versions[contract.name]]

    note_deployed(file, "", catalogs[1], {contract.name: schemas[:1]})
    assert known() == ["second", "first"]
    note_deployed(file, "", catalogs[1], {})
    assert known() == ["second", "first"]
    note_deployed(file, "", catalogs[2], {contract.name: [schemas[1]]})
    assert known() == ["third", "second"]
    note_deployed(file, "", Catalog(), {})
    assert deployed(file, "") == replace(deployed(file, "") or Baseline("", {}), versions={})


def test_the_prefixes_that_were_deployed_last_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "deployed.json"
    for number in range(PREFIXES + 2):
        note_deployed(file, f"t{number}", Catalog(), {})
        note_deployed(file, "ours", Catalog(), {})
    assert deployed(file, "t2") is None
    assert deployed(file, "t3") is not None
    assert deployed(file, "ours") is not None


@pytest.mark.parametrize("content", ["{", "[]", '{"": {"at": "now"}}', '{"": []}'])
def test_a_file_of_deployments_that_cannot_be_read_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "deployed.json"
    file.write_text(content, "utf-8")
    with pytest.raises(ContractError, match=r"deployed\.json cannot be read: delete it, and deploy again"):
        deployed(file, "")


def run_check(folder: Path, *arguments: str) -> list[dict[str, str]]:
    (folder / "pyproject.toml").write_text('[tool.verbwire]\nproject = "shop"\n', "utf-8")
    command = [sys.executable, "-c", "from verbwire.cli import main; main()", "check", "--json", *arguments]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 1, ran.stderr
    found: list[dict[str, str]] = json.loads(ran.stdout)
    return found


def test_the_command_compares_with_both(repository: Path) -> None:
    note_deployed(repository / ".verbwire" / "deployed.json", "", load_catalog(repository / "schemas"), {})
    project(repository, opened(MOMENT))
    told = [each["message"] for each in run_check(repository, "--against", "main") if each["code"] == "type-changed"]
    assert [each.rpartition(" (")[2][:22] for each in told] == ["compared with main)", "compared with what was"]


def test_a_missing_baseline_is_said(repository: Path) -> None:
    (told,) = [each for each in run_check(repository) if each["code"] == "not-compared"]
    assert told["severity"] == "info"
    assert told["message"].endswith("name a baseline (--against main)")


def test_an_import_that_fails_for_want_of_a_contract_hides_no_finding(repository: Path) -> None:
    folder = repository / "schemas"
    write(generate(load_catalog(folder), folder))
    (repository / "streams").mkdir()
    (repository / "streams" / "carts.py").write_text("from schemas.carts import CartOpened\n", "utf-8")
    (folder / "carts" / "CartOpened.avsc").unlink()
    project(repository, {**opened(), "name": "CartClosed"})
    write(generate(load_catalog(folder), folder))
    told = {each["code"]: each for each in run_check(repository, "--against", "main")}
    assert "shop.carts.CartOpened is gone" in told["message-gone"]["message"]
    assert "cannot import name 'CartOpened'" in told["import"]["message"]
    assert told["import"]["file"].endswith("streams/carts.py:1")
