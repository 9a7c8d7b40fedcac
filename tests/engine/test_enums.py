"""A response limited to an enum, with the real engine, equals the response without a schema."""

import json
from typing import Any

import httpx
import pytest

from models.industrial_llm.tasks import failure_mode
from tests.support.builders import INDUSTRIAL, Gateway

NAME = "failure_mode"
SCHEMA = {
    "type": "object",
    "properties": {NAME: {"type": "string", "enum": list(failure_mode.LABELS)}},
    "required": [NAME],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "mode", "schema": SCHEMA}}
ORDERS = ("pump seal leaking oil", "bearing running hot", "motor will not start")


async def asked(gateway: Gateway, order: str, **more: Any) -> httpx.Response:
    instruction = failure_mode.TASK.instructions["en"][0]
    messages = [{"role": "system", "content": instruction}, {"role": "user", "content": order}]
    values = {"model": INDUSTRIAL, "max_tokens": 24, "temperature": 0, **more}
    return await gateway.chat(order, messages=messages, **values)


def content_of(answer: httpx.Response, stream: bool) -> str:
    if not stream:
        return str(answer.json()["choices"][0]["message"]["content"])
    lines = answer.text.split("\n\n")
    chunks = [json.loads(one.removeprefix("data: ")) for one in lines if "{" in one]
    deltas = [one["choices"][0]["delta"] for one in chunks if one.get("choices")]
    return "".join(one.get("content") or "" for one in deltas)


@pytest.mark.alone  # floating-point sums depend on the batch
@pytest.mark.parametrize("stream", [False, True])
async def test_enum_response_equals_the_response_without_a_schema(
    real: Gateway, stream: bool
) -> None:
    """The adapter's responses start with a blank, and it was not trained on labels inside JSON: as
    JSON it would generate other tokens and other labels."""
    for order in ORDERS:
        plain = content_of(await asked(real, order), stream=False).strip()
        held = await asked(real, order, response_format=FORMAT, stream=stream)
        assert plain in failure_mode.LABELS
        assert json.loads(content_of(held, stream)) == {NAME: plain}
