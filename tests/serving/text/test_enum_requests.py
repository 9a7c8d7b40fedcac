"""Chat requests for one value of an enum: restriction of requests and wrapping of responses."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from serving.text.enum_answers import EnumAnswer
from tests.serving.enum_schemas import OBJECT, PREFIX, WRAPPED, event
from tests.support.heavy import NEEDS_VLLM

if TYPE_CHECKING:
    from vllm.entrypoints.openai.chat_completion import protocol

    from serving.text import enum_requests
else:
    protocol = LazyModule("vllm.entrypoints.openai.chat_completion.protocol")
    enum_requests = LazyModule("serving.text.enum_requests")

pytestmark = NEEDS_VLLM

TOOL = {"type": "function", "function": {"name": "life"}}


def asked(schema: Any = OBJECT, **more: Any) -> Any:
    told = {"type": "json_schema", "json_schema": {"name": "mode", "schema": schema}}
    messages = [{"role": "user", "content": "pump leaking"}]
    body = {"model": "m", "messages": messages, "response_format": told, **more}
    return protocol.ChatCompletionRequest.model_validate(body)


def test_enum_request_is_restricted_to_schema_values() -> None:
    request = asked()
    assert enum_requests.restrict_to_enum(request, PREFIX) == WRAPPED
    assert request.response_format is None
    assert request.structured_outputs.choice == WRAPPED.choices
    assert request.structured_outputs.json is None


@pytest.mark.parametrize(
    "more",
    [
        {"schema": {"type": "object", "properties": {"note": {"type": "string"}}}},
        {"response_format": {"type": "json_object"}},
        {"response_format": None},
        {"tools": [TOOL], "tool_choice": "none"},
        {"structured_outputs": {"regex": "a"}},
        {"add_generation_prompt": False},
        {"add_generation_prompt": False, "continue_final_message": True},
    ],
)
def test_non_enum_request_is_unchanged(more: dict[str, Any]) -> None:
    request_ = asked(**more)
    before = request_.model_dump()
    assert enum_requests.restrict_to_enum(request_, PREFIX) is None
    assert request_.model_dump() == before


async def told(enum: EnumAnswer, *answers: Any) -> list[Any]:
    async def engine() -> AsyncGenerator[Any, None]:
        for one in answers:
            yield one

    return [one async for one in enum_requests.wrap_enum_answers(engine(), enum)]


async def test_enum_responses_and_event_batches_are_wrapped_in_json() -> None:
    said = SimpleNamespace(content=" Leaking")
    whole = SimpleNamespace(choices=[SimpleNamespace(message=said, finish_reason="stop")])
    error = SimpleNamespace(error="too long")
    batch = [event(" Leaking", "stop"), error]
    first, second, third, fourth = await told(WRAPPED, whole, error, batch, event(" Fail to"))
    assert first.choices[0].message.content == '{"failure_mode": "Leaking"}'
    assert (second, third[1]) == (error, error)
    assert '{\\"failure_mode\\": \\"Leaking\\"}' in third[0]
    assert "Fail to" in fourth
