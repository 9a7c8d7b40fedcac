"""Responses of an engine's server: validation of bodies, errors, whole answers and streams."""

import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from serving.text.messages import EVENT_STREAM, Operation, ResponseStart, TextRequest
from tests.support.heavy import NEEDS_VLLM

if TYPE_CHECKING:
    from ray.llm._internal.serve.core.configs import openai_api_models

    from serving.text import responses
else:
    openai_api_models = LazyModule("ray.llm._internal.serve.core.configs.openai_api_models")
    responses = LazyModule("serving.text.responses")

pytestmark = NEEDS_VLLM
BODY = {"model": "base", "messages": [{"role": "user", "content": "hi"}]}


class Engine:
    """An engine whose methods yield given parts; an exception is raised instead."""

    def __init__(self, *parts: Any, starts: bool = True) -> None:
        self.parts, self.starts = parts, starts
        self.requests: list[Any] = []
        self.is_closed = False

    async def chat(self, request: Any, info: Any) -> AsyncGenerator[Any, None]:
        self.requests.append((request, info))
        if not self.starts:
            raise ValueError("the engine does not take this request")
        return self._yield_parts()

    completions = chat

    async def _yield_parts(self) -> AsyncGenerator[Any, None]:
        try:
            for part in self.parts:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.is_closed = True


def request(body: Any = BODY, operation: Operation = Operation.CHAT) -> TextRequest:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return TextRequest(operation, content, {"traceparent": "00-1"})


async def parts_of(engine: Engine, asked: TextRequest) -> list[Any]:
    made_up: Any = engine
    return [part async for part in responses.respond(made_up, asked)]


def failure(message: str, code: int) -> Any:
    error = openai_api_models.ErrorInfo(message=message, type="", code=code)
    return openai_api_models.ErrorResponse(error=error)


async def test_engine_gets_parsed_request_and_headers() -> None:
    engine = Engine(["data: [DONE]\n\n"])
    await parts_of(engine, request({**BODY, "max_completion_tokens": 3}))
    ((parsed, info),) = engine.requests
    assert (parsed.model, parsed.max_completion_tokens) == ("base", 3)
    assert info.headers == {"traceparent": "00-1"}


async def test_stream_starts_with_its_first_event_and_ends_with_done() -> None:
    engine = Engine(["data: 1\n\n", "data: 2\n\n"], ["data: 3\n\n"])
    first, *others = await parts_of(engine, request())
    assert first == ResponseStart(200, EVENT_STREAM, "data: 1\n\ndata: 2\n\n")
    assert others == ["data: 3\n\n", "data: [DONE]\n\n"]


async def test_abandoned_stream_closes_the_engine_generator() -> None:
    engine: Any = Engine(["data: 1\n\n"], ["data: 2\n\n"])
    parts = responses.respond(engine, request())
    await anext(parts)
    assert not engine.is_closed
    await parts.aclose()
    assert engine.is_closed


@pytest.mark.parametrize("wrapped", [False, True])
async def test_error_of_the_engine_is_the_response(wrapped: bool) -> None:
    error = failure("max_tokens is too large", 400)
    (start,) = await parts_of(Engine([error] if wrapped else error), request())
    assert (start.status, start.is_stream) == (400, False)
    assert json.loads(start.content)["error"]["message"] == "max_tokens is too large"


@pytest.mark.parametrize("engine", [Engine(starts=False), Engine(RuntimeError("broken"))])
async def test_exception_before_the_first_part_is_a_server_error(engine: Engine) -> None:
    (start,) = await parts_of(engine, request())
    assert (start.status, start.is_stream) == (500, False)
    assert json.loads(start.content)["error"]["type"] == "InternalServerError"


@pytest.mark.parametrize(
    ("body", "operation", "text"),
    [
        ({**BODY, "messages": "hi"}, Operation.CHAT, "at ('body', 'messages')"),
        ({**BODY, "temperature": "hot"}, Operation.CHAT, "at ('body', 'temperature'"),
        ({"model": "base", "prompt": 5}, Operation.COMPLETIONS, "at ('body', 'prompt'"),
        ([], Operation.CHAT, "at ('body',"),
        (b"{", Operation.CHAT, "not valid JSON"),
    ],
)
async def test_invalid_body_is_rejected_with_its_field(
    body: Any, operation: Operation, text: str
) -> None:
    engine = Engine()
    (start,) = await parts_of(engine, request(body, operation))
    assert (start.status, engine.requests) == (400, [])
    assert text in json.loads(start.content)["error"]["message"]
