"""Requests that the engine rejects, and the gateway's errors for them."""

import re
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

from tests.support.builders import CHAT, EMBEDDING, Gateway


@pytest.mark.parametrize("stream", [False, True])
async def test_prompt_over_context_length_is_refused_unbilled(
    replayed: Gateway, openai: AsyncOpenAI, stream: bool
) -> None:
    with pytest.raises(BadRequestError) as caught:
        await openai.chat.completions.create(
            model=CHAT, messages=[{"role": "user", "content": "word " * 5000}], stream=stream
        )
    assert caught.value.code == "context_length_exceeded"
    row = await replayed.row()
    assert (row["settlement"], row["cost"]) == ("refused", "0.000000000")


@pytest.mark.parametrize(
    ("values", "code", "param"),
    [
        ({"max_tokens": 100_000}, "context_length_exceeded", "max_tokens"),
        ({"response_format": {"type": "xml"}}, "invalid_value", "response_format.type"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "nonsense"}},
                }
            },
            "invalid_value",
            "response_format",
        ),
        (
            {
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
                "tool_choice": {"type": "function", "function": {"name": "g"}},
            },
            "invalid_value",
            None,
        ),
        ({"top_k": "many"}, "invalid_value", "top_k"),
        ({"logit_bias": {"x": 1}}, "invalid_value", None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_engine_errors_are_translated_to_gateway_errors(
    replayed: Gateway, values: dict[str, Any], code: str, param: str | None, stream: bool
) -> None:
    answer = await replayed.chat("hi", stream=stream, **values)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], param is None or error["param"] == param) == (code, True)
    assert not re.search(r"ray\.|vllm|Request ID|Traceback|exception", answer.text)


async def test_embedding_input_over_context_length_is_rejected(openai: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await openai.embeddings.create(model=EMBEDDING, input="word " * 1000)
    assert caught.value.code == "context_length_exceeded"
