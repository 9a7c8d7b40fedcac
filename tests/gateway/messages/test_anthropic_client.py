"""The official Anthropic client, unmodified, with the gateway as its base URL."""

import asyncio
import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from tests.gateway.messages.dialogue import WEATHER
from tests.support.builders import CHAT, Gateway
from tests.support.fakes.raw_server import RawServer, answering
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.asking import until
from tests.support.gateway.checking import set_guard
from tests.support.gateway.faults import PLAIN, STREAM, chunk, done, run_before
from tests.support.heavy import NEEDS_ANTHROPIC

if TYPE_CHECKING:
    import anthropic
else:
    anthropic = LazyModule("anthropic")

pytestmark = [NEEDS_ANTHROPIC]
ASKED: Any = {"model": CHAT, "max_tokens": 5, "messages": [{"role": "user", "content": "one two"}]}
CALL = {"id": "call_1", "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "北京"}'}}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Imported before a gateway runs, which would answer no call for the second that it takes."""
    import_module("anthropic")


def client_of(gateway: Gateway) -> "anthropic.AsyncAnthropic":
    return anthropic.AsyncAnthropic(
        base_url=gateway.url, api_key=gateway.key.secret, max_retries=0, timeout=60
    )


def plain(message: dict[str, Any], finish_reason: str) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 2, "completion_tokens": 3}
    value = {"id": "c", "model": CHAT, "choices": [choice], "usage": usage}
    body = json.dumps(value).encode()
    return PLAIN + b"content-length: %d\r\n\r\n" % len(body) + body


def delta(count: int, value: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": value, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 2, "completion_tokens": count}
    event = {"id": "c", "model": CHAT, "choices": [choice], "usage": usage}
    return chunk(b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n")


async def test_message_has_its_text_usage_and_id(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        message = await client.messages.create(**ASKED, system="Be brief.")
    assert message.content[0].text == "word " * 5
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)
    assert message._request_id == (await gateway.row())["request_id"]


async def test_stream_helper_joins_the_same_message(gateway: Gateway) -> None:
    async with client_of(gateway) as client, client.messages.stream(**ASKED) as stream:
        texts = [text async for text in stream.text_stream]
        message = await stream.get_final_message()
    assert "".join(texts) == message.content[0].text
    assert (message.usage.input_tokens, message.usage.output_tokens) == (2, 5)


async def test_streamed_tool_call_has_its_input(
    raw: RawServer, database_url: str, tmp_path: Path
) -> None:
    call = {"index": 0, "id": "call_1", "type": "function"}
    raw.script = answering(
        STREAM,
        delta(1, {"role": "assistant", "content": "Let me look."}),
        delta(2, {"tool_calls": [{**call, "function": {"name": "weather", "arguments": ""}}]}),
        delta(3, {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]}),
        delta(
            4, {"tool_calls": [{"index": 0, "function": {"arguments": '"北京"}'}}]}, "tool_calls"
        ),
        done(4),
    )
    async with (
        run_before(raw, database_url, tmp_path) as gateway,
        client_of(gateway) as client,
        client.messages.stream(**ASKED, tools=[WEATHER]) as stream,
    ):
        message = await stream.get_final_message()
    text, use = message.content
    assert (text.text, use.name, use.input) == ("Let me look.", "weather", {"city": "北京"})
    assert message.stop_reason == "tool_use"


async def test_tool_result_goes_back_to_the_model(
    raw: RawServer, database_url: str, tmp_path: Path
) -> None:
    raw.script = answering(plain({"content": None, "tool_calls": [CALL]}, "tool_calls"))
    async with run_before(raw, database_url, tmp_path) as gateway, client_of(gateway) as client:
        first = await client.messages.create(**ASKED, tools=[WEATHER])
        use = first.content[0]
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "3 °C"}
        messages = [
            *ASKED["messages"],
            {"role": "assistant", "content": [block.model_dump() for block in first.content]},
            {"role": "user", "content": [result]},
        ]
        await client.messages.create(**{**ASKED, "messages": messages}, tools=[WEATHER])
    sent = json.loads(raw.requests[-1].partition(b"\r\n\r\n")[2])["messages"]
    assert sent[1]["tool_calls"][0]["function"]["name"] == "weather"
    assert sent[2] == {"role": "tool", "tool_call_id": "call_1", "content": "3 °C"}


async def test_aborted_stream_is_billed_for_what_was_generated(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    asked = {**ASKED, "max_tokens": 1000, "messages": [{"role": "user", "content": "drip two"}]}
    async with client_of(gateway) as client:
        async with client.messages.stream(**asked) as stream:
            async for _ in stream.text_stream:
                break
        row = await gateway.row()
    assert (row["settlement"], row["operation"]) == ("client_abort", "messages")
    assert 0 < row["output_tokens"] < 1000
    await until(lambda: upstream.cancelled == 1)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"model": "claude-x"}, "NotFoundError"),
        ({"max_tokens": 0}, "BadRequestError"),
        ({"messages": [{"role": "user", "content": "busy"}]}, "OverloadedError"),
        ({"messages": [{"role": "user", "content": "fault"}]}, "InternalServerError"),
    ],
)
async def test_error_is_the_clients_own_exception(
    gateway: Gateway, fields: dict[str, Any], error: str
) -> None:
    async with client_of(gateway) as client:
        with pytest.raises(anthropic.APIStatusError) as raised:
            await client.messages.create(**{**ASKED, **fields})
    assert type(raised.value).__name__ == error
    assert raised.value.request_id == (await gateway.row())["request_id"]


async def test_error_midway_is_raised_by_the_stream(gateway: Gateway) -> None:
    asked = {**ASKED, "messages": [{"role": "user", "content": "die-midway"}]}
    async with client_of(gateway) as client, client.messages.stream(**asked) as stream:
        with pytest.raises(anthropic.APIError, match="stopped in the middle"):
            await stream.get_final_message()


async def test_tokens_are_counted_and_models_listed(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        count, listed = await asyncio.gather(
            client.messages.count_tokens(model=CHAT, messages=ASKED["messages"]),
            client.models.list(),
        )
    assert count.input_tokens > 0
    assert CHAT in [model.id for model in listed.data]


async def test_refused_answer_ends_with_a_refusal_whole_and_streamed(
    gateway: Gateway, upstream: FakeUpstream
) -> None:
    rule = {"kind": "words", "action": "refuse", "applies_to": "output", "words": ["falcon"]}
    await set_guard(gateway, rule)
    upstream.says = "It is an owl. It is a falcon. It flies."
    asked = {**ASKED, "max_tokens": 60}
    async with client_of(gateway) as client:
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as stream:
            text = "".join([text async for text in stream.text_stream])
            message = await stream.get_final_message()
    assert (whole.stop_reason, message.stop_reason) == ("refusal", "refusal")
    assert text.strip() == "It is an owl."
    assert not any("falcon" in block.text for block in whole.content)
