"""What guarded loops cost: the same in the header, the body, the last event and the rows."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from billing.money import nano_from_text
from tests.support.builders import CHAT, EMBEDDING, PLENTY, SPECIALIST, Gateway, Limited
from tests.support.fakes.guard_model import FakeGuardModel, run_fake_guard_model
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.checking import set_guard
from tests.support.gateway.moderating import GUARD, moderating

COLUMNS = [{"name": "torque", "datatype": "FP32", "unit": "N·m", "minimum": 0, "maximum": 500}]
RULE = {"kind": "model", "model": GUARD, "action": "refuse", "applies_to": "both"}
TOOL = {"type": "specialist", "models": [SPECIALIST]}
TEXT = "Torque 65 Nm: will it fail?"
MESSAGES = [{"role": "user", "content": TEXT}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": MESSAGES, "max_tokens": 20},
    "/v1/responses": {"input": TEXT, "max_output_tokens": 20},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 20},
}


@pytest.fixture
async def safety() -> AsyncIterator[FakeGuardModel]:
    async with run_fake_guard_model() as fake:
        yield fake


@pytest.fixture
async def guarded(
    limited: Limited, safety: FakeGuardModel, upstream: FakeUpstream
) -> AsyncIterator[Gateway]:
    upstream.listed = [CHAT, EMBEDDING, SPECIALIST]  # own servers do not have the guard models
    upstream.inputs[SPECIALIST] = COLUMNS
    upstream.predicts = {"failure_probability": 0.93, "failure": 1}
    upstream.says = "I would say so."
    async with limited(PLENTY, catalog=moderating(safety.url)) as gateway:
        await set_guard(gateway, RULE)
        yield gateway


@pytest.mark.parametrize("path", BODIES)
async def test_body_header_and_rows_have_one_cost(guarded: Gateway, path: str) -> None:
    answer = await guarded.http.post(path, json={"model": CHAT, "tools": [TOOL], **BODIES[path]})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["x_maas_cost"] == answer.headers["x-maas-cost"]
    assert body["x_maas_balance"] == answer.headers["x-maas-balance"]
    assert await total_cost(guarded) == nano_from_text(body["x_maas_cost"])


@pytest.mark.parametrize("path", BODIES)
async def test_last_event_of_a_stream_has_the_cost_of_its_rows(guarded: Gateway, path: str) -> None:
    body = {"model": CHAT, "tools": [TOOL], **BODIES[path], "stream": True}
    if path == "/v1/chat/completions":
        body["stream_options"] = {"include_usage": True}
    answer = await guarded.http.post(path, json=body)
    lines = [line for line in answer.text.splitlines() if '"x_maas_cost"' in line]
    cost = json.loads(lines[-1].removeprefix("data: "))["x_maas_cost"]
    assert await total_cost(guarded) == nano_from_text(cost)


async def total_cost(gateway: Gateway) -> int:
    """What the rows cost: a parent, its steps, and the guard's questions about text and answer."""
    rows = await gateway.rows(6)
    operations = sorted(row["operation"] for row in rows if row["parent_id"] is not None)
    assert operations == ["chat", "chat", "moderation", "moderation", "predictions"]
    costs = {row["operation"]: nano_from_text(row["cost"]) for row in rows}
    assert costs["moderation"] > 0
    return sum(nano_from_text(row["cost"]) for row in rows)
