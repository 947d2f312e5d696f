"""Commands beyond their bounds over HTTP, by those of the shop that once stopped the work of others."""

from __future__ import annotations

import json

import pytest

from tests.shop import catalog
from tests.test_bounds import STOPPED
from verbwire.http.avro_json.encode import encoder
from verbwire.http.base.problem import HttpProblem
from verbwire.http.commands.body import message_reader


@pytest.mark.parametrize("story", STOPPED)
def test_a_command_out_of_bounds_is_a_400_that_names_the_field(story: str) -> None:
    command, field, bound = STOPPED[story]
    contract = catalog().of(command)
    with pytest.raises(HttpProblem) as caught:
        message_reader(contract, type(command))(encoder(contract)(command))
    assert (caught.value.status_code, caught.value.code) == (400, "out_of_bounds")
    assert (caught.value.more["field"], caught.value.more["details"]["bound"]) == (field, bound)
    assert len(json.dumps(caught.value.more)) < 500
