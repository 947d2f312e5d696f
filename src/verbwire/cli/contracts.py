"""``verbwire schemas`` and ``verbwire check``: contracts, and the code that claims to follow them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from verbwire.check.deployed_code import deployed_code
from verbwire.check.process_versions import instances_left
from verbwire.check.project import check_project
from verbwire.cli.exit_codes import Exit
from verbwire.cli.output import AsJson, print_json, print_table, print_text
from verbwire.contracts.checks.check import in_order
from verbwire.contracts.checks.findings import as_json as findings_as_json
from verbwire.contracts.checks.findings import as_text, fails
from verbwire.contracts.codegen.generate import generate as sources_of
from verbwire.contracts.codegen.generate import write
from verbwire.contracts.schema.load import load_catalog
from verbwire.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Contracts and their generated classes.")


@app.command()
def generate(as_json: AsJson = False) -> None:
    """Write the typed classes beside the schemas."""
    folder = load_settings().schemas
    changed = [str(path.relative_to(folder.parent)) for path in write(sources_of(load_catalog(folder), folder))]
    if as_json:
        print_json({"written": changed})
        return
    for path in changed:
        print_text(f"wrote {path}")
    if not changed:
        print("nothing to do: the classes match the schemas")


@app.command("list")
def list_contracts(as_json: AsJson = False) -> None:
    """List the contracts."""
    contracts = sorted(load_catalog(load_settings().schemas), key=lambda each: each.name)
    rows = [(each.name, str(each.kind), [*each.key], sorted(each.rejections)) for each in contracts]
    columns = ("contract", "kind", "key", "rejections")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, [(name, kind, ", ".join(key), ", ".join(codes)) for name, kind, key, codes in rows])


def check(
    as_json: AsJson = False,
    against: Annotated[str, typer.Option(help="Also compare contracts with those of this commit, branch or tag.")] = "",
    deployed_: Annotated[
        bool, typer.Option("--deployed", help="Also compare code with that which has folded the deployed tables.")
    ] = False,
) -> None:
    """Check contracts, generated classes and declarations; needs no cluster. Exits with 1 when something is wrong.

    Contracts are compared with those last deployed from here. With --deployed the cluster is asked as well, which
    code has folded what its tables, aggregates and processes hold, and how many instances of older versions of a
    process are under way.
    """
    checked = check_project(load_settings(), against)
    findings = checked.findings
    if deployed_ and checked.project is not None:
        findings = in_order([*findings, *deployed_code(checked.project), *instances_left(checked.project)])
    if as_json:
        print(findings_as_json(findings))
    else:
        print_text(as_text(findings))
    if fails(findings):
        sys.exit(Exit.FOUND)
