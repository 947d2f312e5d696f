"""The OpenAPI document: valid, complete, the same for the same contracts, and true of the JSON that we write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.kit import notes
from tests.kit.http import problem, serving
from verbwire.contracts.schema.load import load_catalog
from verbwire.http.avro_json.decode import JsonMismatch, reader
from verbwire.http.avro_json.encode import encoder
from verbwire.http.avro_json.schema import JsonSchemas
from verbwire.http.operations.openapi import OpenApi, openapi
from verbwire.messages import Kind
from verbwire.wire.json.numbers import SAFE_INTEGER

ROOT = Path(__file__).parents[4]
SAMPLES = ROOT / "tests/kit/samples"
CATALOGS = [ROOT / "schemas", SAMPLES / "bank", SAMPLES / "town", SAMPLES / "office"]
JARS = openapi("bank", load_catalog(SAMPLES / "bank"))
NOTE: dict[str, Any] = json.loads(encoder(notes.CATALOG.of(notes.EVENT))(notes.EVENT))


def validator(*, closed: bool) -> Draft202012Validator:
    schemas = JsonSchemas()
    contract = notes.CATALOG.of(notes.EVENT)
    schema = schemas.sent(contract) if closed else schemas.answered(contract)
    return Draft202012Validator({**schema, "components": {"schemas": schemas.components}})


SENT, ANSWERED = validator(closed=True), validator(closed=False)
read = reader(notes.CATALOG.of(notes.EVENT))


@pytest.mark.parametrize("folder", CATALOGS, ids=lambda folder: folder.name)
def test_openapi_has_every_command_and_query(folder: Path) -> None:
    catalog = load_catalog(folder)
    document = openapi("it", catalog)
    validate(document)
    asked = {
        f"/{'commands' if each.kind is Kind.COMMAND else 'queries'}/{each.name}"
        for each in catalog
        if each.kind in (Kind.COMMAND, Kind.QUERY)
    }
    assert asked <= document["paths"].keys()


def test_openapi_of_a_responders_list_has_no_numbered_pages() -> None:
    catalog = load_catalog(SAMPLES / "town")

    def parameters(*by_cursor: str) -> set[str]:
        path = openapi("town", catalog, by_cursor=by_cursor)["paths"]["/queries/town.offers.FindOffers"]
        return {each.get("name") or each["$ref"].rpartition("/")[2] for each in path["get"]["parameters"]}

    numbered = parameters()
    assert "Page" in numbered
    assert parameters("town.offers.FindOffers") == numbered - {"Page"}


def test_openapi_is_the_same_in_every_process() -> None:
    code = (
        "import sys, pathlib; from verbwire.contracts.schema.load import load_catalog;"
        "from verbwire.http.operations.openapi import *;"
        "sys.stdout.buffer.write(msgspec.json.encode(openapi('bank', load_catalog(pathlib.Path(sys.argv[1])))))"
    )
    written = {
        subprocess.run(
            [sys.executable, "-c", code, str(SAMPLES / "bank")],
            check=True,
            capture_output=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(written) == 1
    assert json.loads(written.pop()) == JARS


def test_a_command_says_what_it_may_be_answered_with() -> None:
    post = JARS["paths"]["/commands/bank.jars.SealJar"]["post"]
    assert list(post["responses"]) == sorted(post["responses"])
    assert {"200", "202", "400", "401", "403", "409", "422", "429", "500", "503", "504"} <= post["responses"].keys()
    refusal = post["responses"]["409"]["content"]["application/problem+json"]["schema"]["allOf"][1]
    assert refusal["properties"]["code"] == {"enum": ["sealed_already"]}
    accepted = post["responses"]["200"]["content"]["application/json"]["schema"]
    assert accepted["properties"]["reply"] == {"$ref": "#/components/schemas/bank.jars.JarSeal"}


def test_a_command_that_nobody_answers_says_so() -> None:
    responses = JARS["paths"]["/commands/bank.jars.DustJar"]["post"]["responses"]
    assert not {"200", "409", "504"} & responses.keys()
    assert "403" in responses, "permission is looked at before it is taken"
    assert "headers" not in responses["202"]


def test_openapi_schemas_describe_what_is_written() -> None:
    assert SENT.is_valid(NOTE)
    assert ANSWERED.is_valid(NOTE)
    assert ANSWERED.is_valid(NOTE | {"later": 1})
    assert not SENT.is_valid(NOTE | {"later": 1})
    assert not ANSWERED.is_valid({name: value for name, value in NOTE.items() if name != "author"})
    assert SENT.is_valid({name: value for name, value in NOTE.items() if name != "author"})


SOME = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    | st.sampled_from([2**31, -(2**31), 2**63, str(2**63 - 1), "NaN", "WHITE", "AP8=", "12.50", "-0", 1e18, [], {}])
)  # fmt: skip
PLAIN = ["note_id", "pages", "letters", "weight", "secret", "picture", "checksum", "colour", "author", "links", "any"]


@given(st.sampled_from(PLAIN), SOME | st.lists(SOME, max_size=2))
def test_openapi_schemas_take_what_is_read_and_nothing_else(field: str, value: Any) -> None:
    note = NOTE | {field: value}
    try:
        read(note)
    except JsonMismatch:
        # Digits beyond 64 bits are refused all the same, a pattern does not count that far, and so are wide integers
        # that were written like 1e18: to the schema they are integers, but they may have been rounded on reading.
        wide = isinstance(value, str) or (isinstance(value, float) and abs(value) > SAFE_INTEGER)
        assert not SENT.is_valid(note) or (field in ("letters", "any") and wide)
    else:
        assert SENT.is_valid(note) or (field, value) == ("note_id", "")


def test_openapi_may_be_read_by_whoever_is_known() -> None:
    with serving(parts=[OpenApi("bank", load_catalog(SAMPLES / "bank"))]) as http:
        assert http.operator.get("/openapi.json").json() == JARS
        problem(http.nobody.get("/openapi.json"), 401, "unauthenticated")
        problem(http.operator.get("/openapi.json?x=1"), 400, "unknown_parameter")
