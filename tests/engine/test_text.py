"""Text and embeddings of the real models: official client, our gateway, Ray Serve, vLLM."""

import json
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI

from tests.support.builders import CHAT, EMBEDDING, Gateway
from tests.support.pricing import list_price

QUESTION: Any = {"role": "user", "content": "Name one reason why a bearing runs hot."}
ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "part": {"enum": ["bolt", "nut"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 99},
    },
    "required": ["part", "count"],
    "additionalProperties": False,
}


@pytest.mark.alone  # floating-point sums, and so tokens, may depend on the batch
async def test_streamed_text_and_usage_equal_the_plain_response(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    values: dict[str, Any] = {
        "model": CHAT,
        "messages": [QUESTION],
        "max_tokens": 16,
        "temperature": 0,
    }
    plain = await openai.chat.completions.create(**values)
    stream = await openai.chat.completions.create(
        **values, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == plain.choices[0].message.content
    assert text
    assert chunks[-1].usage is not None
    assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    rows = await real.rows(2)
    assert plain.usage is not None
    for row, usage in zip(rows, (chunks[-1].usage, plain.usage), strict=True):
        assert row["settlement"] == "complete"
        assert row["input_tokens"] == usage.prompt_tokens
        assert row["output_tokens"] == usage.completion_tokens
        assert row["cost"] == list_price(row, CHAT)


async def test_structured_output_follows_its_json_schema(openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.create(
        model=CHAT,
        messages=[{"role": "user", "content": "Order three bolts. JSON only."}],
        max_tokens=60,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "order", "schema": ORDER}},
    )
    order = json.loads(answer.choices[0].message.content or "")
    assert order["part"] in ("bolt", "nut")
    assert 1 <= order["count"] <= 99


async def test_embeddings_of_similar_texts_are_more_similar_than_others(
    real: Gateway, openai: AsyncOpenAI
) -> None:
    texts = ["the pump leaks oil", "oil drips from the pump", "the invoice is overdue"]
    answer = await openai.embeddings.create(model=EMBEDDING, input=texts)
    vectors = np.array([item.embedding for item in answer.data])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    # E5 similarities are between 0.7 and 1, due to a low training temperature.
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.05
    assert (await real.row())["input_tokens"] == answer.usage.prompt_tokens > 0
