"""What goes to an engine of a customer's fields."""

import json

import pytest

from gateway.errors import ParameterInvalid
from gateway.flow import Operation, Served
from gateway.wire.openai import ask, read_request
from tests.builders import CATALOG, CHAT

FIELDS = ["cache_salt", "chat_template", "kv_transfer_params", "priority", "use_beam_search"]


@pytest.mark.parametrize("name", FIELDS)
def test_fields_that_reach_into_an_engine_are_refused(name: str) -> None:
    body = json.dumps({"model": CHAT, "messages": [{"role": "user", "content": "a"}], name: 1})
    request = read_request(Operation.CHAT, body.encode())
    with pytest.raises(ParameterInvalid, match="cannot be set here") as refused:
        ask(request, Served(CATALOG.models[CHAT], CHAT, CHAT), "/v1/x", body.encode())
    assert refused.value.param == name
