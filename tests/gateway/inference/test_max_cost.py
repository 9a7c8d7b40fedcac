"""`X-Max-Cost` on calls whose response cannot be shortened: they run in full or are rejected.

Two rows cost 1,000,000 nano-yuan each; an embedding costs its model's price per token.
"""

from typing import Any

import pytest

from tests.support.builders import EMBEDDING, SPECIALIST, Gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.errors import error_of

TENSOR: Any = {"name": "torque", "shape": [2], "datatype": "FP32", "data": [40.1, 41.0]}
CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "embeddings": ("/v1/embeddings", {"model": EMBEDDING, "input": "two words"}, "0.000001"),
    "predictions": (
        "/v1/predictions",
        {"model": SPECIALIST, "instances": [{"torque": 40.1}, {"torque": 41}]},
        "0.001999999",
    ),
    "infer": (f"/v2/models/{SPECIALIST}/infer", {"inputs": [TENSOR]}, "0.001999999"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_call_that_can_exceed_max_cost_is_rejected_and_not_sent(
    gateway: Gateway, upstream: FakeUpstream, name: str
) -> None:
    path, body, limit = CALLS[name]
    answer = await gateway.http.post(path, json=body, headers={"x-max-cost": limit})
    assert answer.status_code == 400
    if name != "infer":  # the Open Inference Protocol has a message alone
        assert error_of(answer)["code"] == "max_cost_exceeded"
    assert upstream.received == []
    row = await gateway.row()
    assert (row["settlement"], row["cost"]) == ("refused", "0.000000000")


@pytest.mark.parametrize("name", CALLS)
async def test_call_within_max_cost_returns_200(gateway: Gateway, name: str) -> None:
    path, body, _ = CALLS[name]
    answer = await gateway.http.post(path, json=body, headers={"x-max-cost": "0.002"})
    assert answer.status_code == 200
    assert float((await gateway.row())["cost"]) <= 0.002
