"""Usage rows of recorded engine answers, plain and streamed, through the official client."""

import json
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.support.builders import CHAT, EMBEDDING, Gateway
from tests.support.pricing import list_price

QUESTION: Any = {"role": "user", "content": "Name one reason why a bearing runs hot."}


async def test_plain_chat_row_has_the_reported_tokens_and_list_price(
    replayed: Gateway, openai: AsyncOpenAI
) -> None:
    answer = await openai.chat.completions.create(
        model=CHAT, messages=[QUESTION], max_tokens=24, temperature=0
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    row = await replayed.row()
    assert row["settlement"] == "complete"
    assert row["input_tokens"] == answer.usage.prompt_tokens
    assert row["output_tokens"] == answer.usage.completion_tokens
    assert row["cost"] == list_price(row, CHAT)


async def test_streamed_chat_reports_usage_in_the_last_chunk_only(
    replayed: Gateway, openai: AsyncOpenAI
) -> None:
    """The engine reports usage in each chunk, the gateway only in the last."""
    stream = await openai.chat.completions.create(
        model=CHAT,
        messages=[QUESTION],
        max_tokens=16,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None
    assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    row = await replayed.row()
    assert row["output_tokens"] == chunks[-1].usage.completion_tokens
    assert row["cost"] == list_price(row, CHAT)


async def test_stream_without_include_usage_is_metered_without_usage_chunk(
    replayed: Gateway,
) -> None:
    answer = await replayed.chat("hello", max_tokens=6, stream=True, ignore_eos=True)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert '"usage"' not in answer.text
    assert (await replayed.row())["output_tokens"] == 6


async def test_completion_of_two_prompts_row_has_all_output_tokens(
    replayed: Gateway, openai: AsyncOpenAI
) -> None:
    answer = await openai.completions.create(
        model=CHAT, prompt=["The pump", "The valve"], max_tokens=4
    )
    assert len(answer.choices) == 2
    assert answer.usage is not None
    assert (await replayed.row())["output_tokens"] == answer.usage.completion_tokens


@pytest.mark.parametrize(
    ("values", "choices"),
    [({"n": 3}, 3), ({"n": 2, "stream": True}, 2), ({"stop": ["e", "a"]}, 1)],
)
async def test_row_has_the_tokens_of_every_choice(
    replayed: Gateway, values: dict[str, Any], choices: int
) -> None:
    asked = {"stream_options": {"include_usage": True}} if values.get("stream") else {}
    answer = await replayed.chat("Say something of bearings.", max_tokens=12, **values, **asked)
    lines = answer.text.split("\n\n") if values.get("stream") else [answer.text]
    documents = [json.loads(one.removeprefix("data: ")) for one in lines if "{" in one]
    indices = {choice["index"] for one in documents for choice in one["choices"]}
    assert indices == set(range(choices))
    row = await replayed.row()
    assert row["output_tokens"] == documents[-1]["usage"]["completion_tokens"]
    assert row["input_tokens"] == documents[-1]["usage"]["prompt_tokens"]
    assert row["cost"] == list_price(row, CHAT)


async def test_embedding_row_has_the_reported_input_tokens(
    replayed: Gateway, openai: AsyncOpenAI
) -> None:
    answer = await openai.embeddings.create(model=EMBEDDING, input=["the pump leaks oil"])
    assert (await replayed.row())["input_tokens"] == answer.usage.prompt_tokens > 0
