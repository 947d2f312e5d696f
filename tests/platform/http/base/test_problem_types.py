"""The table of problem types: one code, one status, a page of it, and no problem that stands outside it."""

from __future__ import annotations

import re
from collections import Counter

from tests.http_problems import PAGE, page
from tests.test_house import PLATFORM
from verbwire.http.base.problem_types import ALL
from verbwire.http.operations.openapi_parts import problem_responses


def test_a_code_is_of_one_problem_type() -> None:
    assert [code for code, count in Counter(each.code for each in ALL).items() if count > 1] == []


def test_the_page_of_problems_is_the_table() -> None:
    assert PAGE.read_text() == page(), "run `python -m tests.http_problems`"


def test_every_problem_type_is_raised_somewhere() -> None:
    source = "\n".join(file.read_text() for file in (PLATFORM / "http").rglob("*.py"))
    by_a_name_of_ours = {"bad_name", "bad_token"} | {
        each.code for each in ALL if each.code.startswith(("no_such_", "ambiguous_"))
    }
    raised = set(re.findall(r"problem_types\.([A-Z_]+)", source)) | {each.upper() for each in by_a_name_of_ours}
    assert {each.code.upper() for each in ALL} - raised == set()


def test_openapi_lists_the_codes_of_each_status() -> None:
    responses = problem_responses()
    listed = {
        code
        for response in responses.values()
        for part in response["content"]["application/problem+json"]["schema"].get("allOf", ())
        for code in part.get("properties", {}).get("code", {}).get("enum", ())
    }
    assert {each.code for each in ALL} - listed == {"method_not_allowed"}, "405 is no answer of an operation"
