"""The parameters of a query as values of its contract: text by text, each as its Avro type says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from verbwire.contracts.schema.bounds_check import compile_bounds
from verbwire.contracts.schema.model import Contract
from verbwire.http.avro_json.decode import JsonMismatch
from verbwire.http.avro_json.texts import root_of, text_reader
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.messages import Message


def parameter_reader(contract: Contract) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """Return what makes fields of parameters; those with a default may be absent, and then are.

    It raises 400 ``bad_parameter`` with the field and what to write. Lists, maps and records are written as JSON.
    """
    fields = text_reader(contract)
    check = compile_bounds(contract.schema, mapping=True)

    def read(given: Mapping[str, str]) -> dict[str, Any]:
        try:
            found = fields(given)
        except JsonMismatch as misfit:
            raise HttpProblem(problem_types.BAD_PARAMETER, str(misfit), more={"field": root_of(misfit.field)}) from None
        if check is not None and (excess := check(found)):
            raise HttpProblem(problem_types.BAD_PARAMETER, str(excess), more={"field": root_of(excess.field)})
        return found

    return read


def defaults_of(query: type[Message]) -> dict[str, Any]:
    """Return what the fields of a class are where nothing is said of them."""
    found = {each.name: each.default for each in msgspec.structs.fields(query)}
    return {name: value for name, value in found.items() if value is not msgspec.NODEFAULT}


def bad_parameter(field: str, why: str) -> HttpProblem:
    """Return 400: this parameter cannot be what it is."""
    return HttpProblem(problem_types.BAD_PARAMETER, f"{field}: {why}", more={"field": field})
